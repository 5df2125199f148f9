// Only the reply reader is used (0.14 speaks no TLS): read.h knows the replies, hiredis.h has the default reader.
#include <stddef.h>
#include <hiredis/hiredis.h>

static inline const char *swift_redis_reader_error(const redisReader *reader) {
    return reader->err ? reader->errstr : NULL;
}
