"""For arq, which logs every job: nothing but errors."""

OFF = {"version": 1, "disable_existing_loggers": False, "root": {"level": "ERROR"}, "loggers": {"arq": {"level": "ERROR"}}}
