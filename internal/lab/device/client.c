/*
 * device-client connects to one server as a device does, and prints one line:
 *
 *   handshake=0 flags=0x0 alert=none cid=off ping=answered
 *
 * handshake is the result of mbedtls_ssl_handshake: 0, or -0x with the error's number; "connect" if no TCP connection
 * was made, "ended" if the connection ended (which of FIN, RST and a failed write comes first is a matter of timing), and
 * "timeout" if the server fell silent. flags is the verification result (MBEDTLS_X509_BADCERT_*), "none" if no handshake ended.
 * alert is the description of the fatal alert that ended the handshake or the session, else "none". cid is "on" if
 * both sides agreed on a connection id. ping is "answered" if an empty confirmable CoAP message was answered by its
 * reset, "none" if nothing came in time, "ended" if the session ended first, "other" for another answer, and "unsent"
 * where there is no session. The device works if handshake and flags are 0. A device that cannot load the authority
 * that it has stored connects nowhere: the line is then anchor=-0x with the error's number, or anchor=size.
 *
 * The exit status is 0 if a line was printed, and 2 for a mistake in the arguments or on this machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mbedtls/entropy.h"
#include "mbedtls/hmac_drbg.h"
#include "mbedtls/net_sockets.h"
#include "mbedtls/ssl.h"
#include "mbedtls/ssl_internal.h"
#include "mbedtls/timing.h"
#include "mbedtls/x509_crt.h"

struct options {
    int udp;
    int cid;
    int hello_only;              /* print the hello in hexadecimal and end */
    const char *ca, *cert, *key; /* DER files */
    long patience;               /* of the handshake, in ms */
    long ping;                   /* of the ping, in ms; 0: no ping */
    long retransmit_min, retransmit_max;
    const char *address, *port;
};

static const char usage[] =
    "usage: device-client [--udp] [--cid] [--hello] --ca FILE [--cert FILE --key FILE]\n"
    "         [--timeout MS] [--ping MS] [--retransmit MIN-MAX] ADDRESS PORT\n"
    "The files are in DER.\n";

static void die(const char *what, int code)
{
    fprintf(stderr, "device-client: %s: %s0x%04x\n", what, code < 0 ? "-" : "", (unsigned) abs(code));
    exit(2);
}

static long number(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || n < 0) {
        fputs(usage, stderr);
        exit(2);
    }
    return n;
}

static struct options parse(int argc, char **argv)
{
    struct options o = { .patience = 5000, .ping = 2000, .retransmit_min = 1000, .retransmit_max = 8000 };
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        const char *name = argv[i] + 2;
        if (strcmp(name, "udp") == 0) {
            o.udp = 1;
        } else if (strcmp(name, "cid") == 0) {
            o.cid = 1;
        } else if (strcmp(name, "hello") == 0) {
            o.hello_only = 1;
        } else if (i + 1 >= argc) {
            break;
        } else if (strcmp(name, "ca") == 0) {
            o.ca = argv[++i];
        } else if (strcmp(name, "cert") == 0) {
            o.cert = argv[++i];
        } else if (strcmp(name, "key") == 0) {
            o.key = argv[++i];
        } else if (strcmp(name, "timeout") == 0) {
            o.patience = number(argv[++i]);
        } else if (strcmp(name, "ping") == 0) {
            o.ping = number(argv[++i]);
        } else if (strcmp(name, "retransmit") == 0 &&
                   sscanf(argv[i + 1], "%ld-%ld", &o.retransmit_min, &o.retransmit_max) == 2) {
            i++;
        } else {
            break;
        }
    }
    if (argc - i != 2 || o.ca == NULL || (o.cert == NULL) != (o.key == NULL)) {
        fputs(usage, stderr);
        exit(2);
    }
    o.address = argv[i];
    o.port = argv[i + 1];
    return o;
}

/* The buffer that a device has for each of its stored certificates and its key. */
#define STORED 1024

/* Reads a file of at most STORED bytes; 0 if it has more. */
static size_t read_file(const char *name, unsigned char *into)
{
    FILE *f = fopen(name, "rb");
    size_t n;
    if (f == NULL || ((n = fread(into, 1, STORED, f)) == 0 && ferror(f))) {
        perror(name);
        exit(2);
    }
    if (fgetc(f) != EOF) {
        n = 0;
    }
    fclose(f);
    return n;
}

static long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000L + t.tv_nsec / 1000000L;
}

/* Opens a non-blocking socket and connects it; -1 if that fails or takes longer than the patience. */
static int dial(const struct options *o, long deadline)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                              .ai_socktype = o->udp ? SOCK_DGRAM : SOCK_STREAM };
    struct addrinfo *at;
    struct pollfd wait = { .events = POLLOUT };
    int err = 0;
    socklen_t size = sizeof(err);

    if (getaddrinfo(o->address, o->port, &hints, &at) != 0) {
        fputs(usage, stderr);
        exit(2);
    }
    wait.fd = socket(at->ai_family, at->ai_socktype | SOCK_NONBLOCK, at->ai_protocol);
    if (wait.fd < 0) {
        perror("device-client: socket");
        exit(2);
    }
    if (connect(wait.fd, at->ai_addr, at->ai_addrlen) < 0) {
        if (errno != EINPROGRESS) {
            return -1;
        }
        if (poll(&wait, 1, (int) (deadline - now())) != 1 ||
            getsockopt(wait.fd, SOL_SOCKET, SO_ERROR, &err, &size) != 0 || err != 0) {
            return -1;
        }
    }
    freeaddrinfo(at);
    return wait.fd;
}

/* Waits until the socket can be read or written, a retransmission timer ends, or the deadline comes: 0 at the deadline. */
static int wait_for(int fd, int result, mbedtls_timing_delay_context *timer, int udp, long deadline)
{
    struct pollfd wait = { .fd = fd, .events = result == MBEDTLS_ERR_SSL_WANT_WRITE ? POLLOUT : POLLIN };
    long left = deadline - now();
    if (left <= 0) {
        return 0;
    }
    if (udp && timer->fin_ms != 0) {
        long until = (long) timer->fin_ms - (long) mbedtls_timing_get_timer(&timer->timer, 0);
        left = until < 1 ? 1 : until < left ? until : left;
    }
    (void) poll(&wait, 1, (int) left);
    return 1;
}

/* The fatal alert that the last record carried; -1 if it was none. */
static int alert_of(const mbedtls_ssl_context *ssl, int result)
{
    if (result == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE && ssl->in_msgtype == MBEDTLS_SSL_MSG_ALERT) {
        return ssl->in_msg[1];
    }
    return -1;
}

static const char *ping(mbedtls_ssl_context *ssl, int fd, mbedtls_timing_delay_context *timer, const struct options *o,
                        int *alert)
{
    const unsigned char request[4] = { 0x40, 0x00, 0x12, 0x34 }; /* an empty confirmable message (RFC 7252 §4.3) */
    const unsigned char answer[4] = { 0x70, 0x00, 0x12, 0x34 };
    unsigned char message[4096];
    long deadline = now() + o->ping;
    int n;

    while ((n = mbedtls_ssl_write(ssl, request, sizeof(request))) < 0) {
        if ((n != MBEDTLS_ERR_SSL_WANT_READ && n != MBEDTLS_ERR_SSL_WANT_WRITE) ||
            !wait_for(fd, n, timer, o->udp, deadline)) {
            *alert = alert_of(ssl, n);
            return "ended";
        }
    }
    for (;;) {
        n = mbedtls_ssl_read(ssl, message, sizeof(message));
        if (n == MBEDTLS_ERR_SSL_WANT_READ || n == MBEDTLS_ERR_SSL_WANT_WRITE) {
            if (!wait_for(fd, n, timer, o->udp, deadline)) {
                return "none";
            }
        } else if (n <= 0) {
            *alert = alert_of(ssl, n);
            return "ended";
        } else if (n == (int) sizeof(answer) && memcmp(message, answer, sizeof(answer)) == 0) {
            return "answered";
        } else if (n < 4 || message[0] >> 6 != 1) {
            return "other";
        } /* another CoAP message: wait on */
    }
}

/* Prints the hello instead of sending it. */
static int print_hello(void *context, const unsigned char *bytes, size_t n)
{
    (void) context;
    for (size_t i = 0; i < n; i++) {
        printf("%02x", bytes[i]);
    }
    printf("\n");
    exit(0);
}

int main(int argc, char **argv)
{
    static const int suites[] = { MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, 0 };
    struct options o = parse(argc, argv);
    mbedtls_entropy_context entropy;
    mbedtls_hmac_drbg_context random;
    mbedtls_ssl_config config;
    mbedtls_ssl_context ssl;
    mbedtls_x509_crt ca, own;
    mbedtls_pk_context key;
    mbedtls_net_context net;
    mbedtls_timing_delay_context timer;
    unsigned char der[STORED];
    size_t n;
    int result, alert = -1, cid = MBEDTLS_SSL_CID_DISABLED;
    long deadline;
    const char *ponged = "unsent";

    signal(SIGPIPE, SIG_IGN);
    mbedtls_entropy_init(&entropy);
    mbedtls_hmac_drbg_init(&random);
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_init(&ssl);
    mbedtls_x509_crt_init(&ca);
    mbedtls_x509_crt_init(&own);
    mbedtls_pk_init(&key);
    mbedtls_net_init(&net);
    memset(&timer, 0, sizeof(timer));

    if ((result = mbedtls_hmac_drbg_seed(&random, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), mbedtls_entropy_func,
                                         &entropy, NULL, 0)) != 0) {
        die("seed", result);
    }
    if ((n = read_file(o.ca, der)) == 0) {
        printf("anchor=size\n");
        return 0;
    }
    if ((result = mbedtls_x509_crt_parse_der(&ca, der, n)) != 0) {
        printf("anchor=-0x%04x\n", (unsigned) -result); 
        return 0;
    }
    if (o.cert != NULL) {
        n = read_file(o.cert, der);
        if ((result = mbedtls_x509_crt_parse_der(&own, der, n)) != 0) {
            die("certificate", result);
        }
        n = read_file(o.key, der);
        if ((result = mbedtls_pk_parse_key(&key, der, n, NULL, 0)) != 0) {
            die("key", result);
        }
    }
    if ((result = mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT,
                                              o.udp ? MBEDTLS_SSL_TRANSPORT_DATAGRAM : MBEDTLS_SSL_TRANSPORT_STREAM,
                                              MBEDTLS_SSL_PRESET_DEFAULT)) != 0) {
        die("configure", result);
    }
    mbedtls_ssl_conf_rng(&config, mbedtls_hmac_drbg_random, &random);
    mbedtls_ssl_conf_ciphersuites(&config, suites);
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_OPTIONAL);
    mbedtls_ssl_conf_ca_chain(&config, &ca, NULL);
    if (o.cert != NULL && (result = mbedtls_ssl_conf_own_cert(&config, &own, &key)) != 0) {
        die("own certificate", result);
    }
    mbedtls_ssl_conf_handshake_timeout(&config, (uint32_t) o.retransmit_min, (uint32_t) o.retransmit_max);
    if (o.cid && (result = mbedtls_ssl_conf_cid(&config, 0, MBEDTLS_SSL_UNEXPECTED_CID_IGNORE)) != 0) {
        die("connection id", result);
    }
    if ((result = mbedtls_ssl_setup(&ssl, &config)) != 0) {
        die("set up", result);
    }
    if (o.cid && (result = mbedtls_ssl_set_cid(&ssl, MBEDTLS_SSL_CID_ENABLED, NULL, 0)) != 0) {
        die("connection id", result);
    }
    mbedtls_ssl_set_timer_cb(&ssl, &timer, mbedtls_timing_set_delay, mbedtls_timing_get_delay);
    if (o.hello_only) {
        mbedtls_ssl_set_bio(&ssl, NULL, print_hello, NULL, NULL);
        (void) mbedtls_ssl_handshake(&ssl);
        return 2;
    }

    deadline = now() + o.patience;
    net.fd = dial(&o, deadline);
    if (net.fd < 0) {
        printf("handshake=connect flags=none alert=none cid=off ping=unsent\n");
        return 0;
    }
    mbedtls_ssl_set_bio(&ssl, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
    do {
        result = mbedtls_ssl_handshake(&ssl);
    } while ((result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE) &&
             wait_for(net.fd, result, &timer, o.udp, deadline));
    alert = alert_of(&ssl, result);
    if (result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE) {
        result = MBEDTLS_ERR_SSL_TIMEOUT;
    }
    if (result == 0) {
        (void) mbedtls_ssl_get_peer_cid(&ssl, &cid, NULL, NULL);
        if (o.ping > 0) {
            ponged = ping(&ssl, net.fd, &timer, &o, &alert);
        }
    }
    switch (result) {
        case 0:
            printf("handshake=0 flags=0x%x", (unsigned) mbedtls_ssl_get_verify_result(&ssl));
            break;
        case MBEDTLS_ERR_SSL_CONN_EOF:
        case MBEDTLS_ERR_NET_CONN_RESET:
        case MBEDTLS_ERR_NET_RECV_FAILED:
        case MBEDTLS_ERR_NET_SEND_FAILED:
            printf("handshake=ended flags=none");
            break;
        case MBEDTLS_ERR_SSL_TIMEOUT:
            printf("handshake=timeout flags=none");
            break;
        default:
            printf("handshake=-0x%04x flags=none", (unsigned) -result);
    }
    if (alert >= 0) {
        printf(" alert=%d", alert);
    } else {
        printf(" alert=none");
    }
    printf(" cid=%s ping=%s\n", cid == MBEDTLS_SSL_CID_ENABLED ? "on" : "off", ponged);
    (void) mbedtls_ssl_close_notify(&ssl);
    mbedtls_net_free(&net);
    return 0;
}
