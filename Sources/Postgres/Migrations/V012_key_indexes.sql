-- Keys by job: only those that the end of a job frees, and those of events, which keep their job's effects. The key that
-- protects a retried enqueue (`req:<id>`) is found by itself alone, and most keys are such: they cost no entry here.
CREATE INDEX job_key_freed ON job_key (job_id) WHERE release = 0;
CREATE INDEX job_key_event ON job_key (job_id) WHERE release = 2 AND key NOT LIKE 'req:%';
DROP INDEX job_key_job;
