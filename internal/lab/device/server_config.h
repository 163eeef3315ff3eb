/* What ssl_server2, a server to test against, is built with in addition to the defaults of Mbed TLS 2.28. */
#define MBEDTLS_SSL_DTLS_CONNECTION_ID
