/* libcurl for Swift: curl's variadic functions and unions, which Swift cannot call, one typed wrapper each. */
#ifndef CLOUDOPTIM_CCURL_SHIM_H
#define CLOUDOPTIM_CCURL_SHIM_H

#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static inline CURLcode swift_curl_set_long(CURL *h, CURLoption o, long v) { return curl_easy_setopt(h, o, v); }
static inline CURLcode swift_curl_set_string(CURL *h, CURLoption o, const char *v) { return curl_easy_setopt(h, o, v); }
static inline CURLcode swift_curl_set_pointer(CURL *h, CURLoption o, void *v) { return curl_easy_setopt(h, o, v); }
static inline CURLcode swift_curl_set_offset(CURL *h, CURLoption o, curl_off_t v) { return curl_easy_setopt(h, o, v); }
static inline CURLcode swift_curl_set_list(CURL *h, CURLoption o, struct curl_slist *v) {
    return curl_easy_setopt(h, o, v);
}
/* The bytes are copied by libcurl. */
static inline CURLcode swift_curl_set_blob(CURL *h, CURLoption o, const void *bytes, size_t count) {
    struct curl_blob blob;
    blob.data = (void *)bytes;
    blob.len = count;
    blob.flags = CURL_BLOB_COPY;
    return curl_easy_setopt(h, o, &blob);
}

typedef size_t (*swift_curl_data_function)(char *, size_t, size_t, void *);
static inline CURLcode swift_curl_set_data_function(CURL *h, CURLoption o, swift_curl_data_function f) {
    return curl_easy_setopt(h, o, f);
}
static inline CURLcode swift_curl_set_open_socket(CURL *h, curl_opensocket_callback f) {
    return curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, f);
}
static inline CURLcode swift_curl_set_before_request(CURL *h, curl_prereq_callback f) {
    return curl_easy_setopt(h, CURLOPT_PREREQFUNCTION, f);
}
static inline CURLMcode swift_curl_multi_set_long(CURLM *m, CURLMoption o, long v) { return curl_multi_setopt(m, o, v); }
static inline CURLcode swift_curl_get_long(CURL *h, CURLINFO i, long *v) { return curl_easy_getinfo(h, i, v); }
static inline CURLcode swift_curl_message_result(const CURLMsg *m) { return m->data.result; }

/* Writes the address in network order to `out` (16 bytes) and returns its length: 4, 16, or 0 for another family. */
static inline int swift_curl_address_bytes(const struct curl_sockaddr *a, unsigned char *out) {
    if (a->family == AF_INET) {
        memcpy(out, &((const struct sockaddr_in *)(const void *)&a->addr)->sin_addr, 4);
        return 4;
    }
    if (a->family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)(const void *)&a->addr)->sin6_addr, 16);
        return 16;
    }
    return 0;
}
static inline curl_socket_t swift_curl_open_socket(const struct curl_sockaddr *a) {
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

#endif
