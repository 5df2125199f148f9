# Lets CloudOptim look after one EKS cluster: the same roles, queue and rules as cloudformation.yaml, with the same policies.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "cluster_name" {
  type        = string
  description = "The cluster's name in EKS, by which its instances and volumes are tagged."
}

variable "cloudoptim_principal" {
  type        = string
  description = "The ARN of the role that CloudOptim's workers run as."
}

variable "external_id" {
  type        = string
  sensitive   = true
  description = "The external id that CloudOptim gave you for this cluster."
}

variable "node_role" {
  type        = string
  description = "The ARN of the role of your nodes, which launched instances get; needed for the role that acts."
}

variable "flow_log_group" {
  type        = string
  default     = "/aws/vpc/flow-logs*"
  description = "The log group of your VPC flow logs, from which traffic between zones is measured; * stands for anything."
}

variable "flow_log_bucket" {
  type        = string
  default     = "*"
  description = "The bucket of your VPC flow logs where they go to S3; of it only this account's flow logs may be read; * stands for anything."
}

variable "acts" {
  type        = bool
  default     = false
  description = "Whether the role that acts, the queue and the rules are made."
}

data "aws_region" "current" {}
data "aws_partition" "current" {}
data "aws_caller_identity" "current" {}

locals {
  values = {
    ClusterName         = var.cluster_name
    CloudOptimPrincipal = var.cloudoptim_principal
    ExternalId          = var.external_id
    NodeRole            = var.node_role
    FlowLogGroup        = var.flow_log_group
    FlowLogBucket       = var.flow_log_bucket
    Region              = data.aws_region.current.name
    Partition           = data.aws_partition.current.partition
    Account             = data.aws_caller_identity.current.account_id
  }
  trust     = templatefile("${path.module}/../iam/trust.json", local.values)
  read_only = templatefile("${path.module}/../iam/read_only.json", local.values)
  act       = templatefile("${path.module}/../iam/act.json", local.values)
  queue     = templatefile("${path.module}/../iam/queue.json", local.values)
  events    = var.acts ? jsondecode(file("${path.module}/../iam/events.json")) : {}
}

resource "aws_iam_role" "read_only" {
  name_prefix          = "cloudoptim-read-only-"
  description          = "CloudOptim looks, and changes nothing."
  max_session_duration = 3600
  assume_role_policy   = local.trust
}

resource "aws_iam_role_policy" "read_only" {
  name   = "cloudoptim-read-only"
  role   = aws_iam_role.read_only.id
  policy = local.read_only
}

resource "aws_iam_role" "act" {
  count                = var.acts ? 1 : 0
  name_prefix          = "cloudoptim-act-"
  description          = "CloudOptim looks, and acts on what this cluster owns."
  max_session_duration = 3600
  assume_role_policy   = local.trust
}

resource "aws_iam_role_policy" "act" {
  count  = var.acts ? 1 : 0
  name   = "cloudoptim-act"
  role   = aws_iam_role.act[0].id
  policy = local.act
}

resource "aws_sqs_queue" "dead_letters" {
  count                     = var.acts ? 1 : 0
  name                      = "cloudoptim-${var.cluster_name}-dead"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

# Events that nobody took within five minutes are worth nothing any more: a warning comes two minutes before.
resource "aws_sqs_queue" "events" {
  count                      = var.acts ? 1 : 0
  name                       = "cloudoptim-${var.cluster_name}"
  message_retention_seconds  = 300
  visibility_timeout_seconds = 30
  sqs_managed_sse_enabled    = true
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters[0].arn
    maxReceiveCount     = 10
  })
}

resource "aws_sqs_queue_policy" "events" {
  count     = var.acts ? 1 : 0
  queue_url = aws_sqs_queue.events[0].id
  policy    = local.queue
}

resource "aws_cloudwatch_event_rule" "events" {
  for_each      = local.events
  name          = "cloudoptim-${var.cluster_name}-${each.key}"
  event_pattern = jsonencode(each.value)
}

resource "aws_cloudwatch_event_target" "queue" {
  for_each = local.events
  rule     = aws_cloudwatch_event_rule.events[each.key].name
  arn      = aws_sqs_queue.events[0].arn
}

output "read_only_role_arn" {
  value = aws_iam_role.read_only.arn
}

output "act_role_arn" {
  value = var.acts ? aws_iam_role.act[0].arn : null
}

output "queue_url" {
  value = var.acts ? aws_sqs_queue.events[0].id : null
}
