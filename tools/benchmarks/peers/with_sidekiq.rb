# Sidekiq's side: required by its workers, run to enqueue.
require 'sidekiq'
require 'hiredis'

Redis.sadd_returns_boolean = false # Sidekiq 6.4 wants the number; otherwise every push prints a warning

Sidekiq.configure_server { |config| config.redis = { url: ENV.fetch('REDIS_URL'), driver: :hiredis } }
Sidekiq.configure_client { |config| config.redis = { url: ENV.fetch('REDIS_URL'), driver: :hiredis } }
Sidekiq.logger.level = Logger::ERROR
OUT = File.open(ENV.fetch('EXECUTIONS', '/dev/null'), 'a').tap { |file| file.sync = true }

class Noop
  include Sidekiq::Worker
  def perform; end
end

class Note
  include Sidekiq::Worker
  def perform(number)
    sleep 0.02
    OUT.write("#{number}\n")
  end
end

class Stamp
  include Sidekiq::Worker
  def perform(asked)
    OUT.write(format("%.3f\n", (Time.now.to_f - asked) * 1000))
  end
end

if __FILE__ == $PROGRAM_NAME
  kind, count = ARGV[0], ARGV[1].to_i
  case kind
  when 'stamp'
    count.times do
      Stamp.perform_async(Time.now.to_f)
      sleep 0.05
    end
  when 'note' then count.times { |number| Note.perform_async(number) }
  else
    start = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    if kind == 'single'
      count.times { Noop.perform_async }
    else
      (count / 1000).times { Sidekiq::Client.push_bulk('class' => Noop, 'args' => Array.new(1000) { [] }) }
    end
    puts count / (Process.clock_gettime(Process::CLOCK_MONOTONIC) - start)
  end
end
