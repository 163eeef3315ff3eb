/*
 * Resolves one name as a device does, by getaddrinfo, and prints one line: the time that it took in milliseconds, then
 * the addresses in the order of getaddrinfo, or the error.
 *
 * Usage: getaddrinfo NAME
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static const char *error_name(int code) {
	switch (code) {
	case EAI_NONAME: return "EAI_NONAME";
	case EAI_AGAIN: return "EAI_AGAIN";
	case EAI_FAIL: return "EAI_FAIL";
	case EAI_SYSTEM: return "EAI_SYSTEM";
	case EAI_MEMORY: return "EAI_MEMORY";
	case EAI_FAMILY: return "EAI_FAMILY";
	case -5: return "EAI_NODATA"; /* glibc; hidden in musl before 1.2.4 */
	}
	return "EAI_OTHER";
}

int main(int argc, char **argv) {
	struct addrinfo hints, *list, *at;
	struct timespec started, ended;
	char text[INET6_ADDRSTRLEN];
	int code;

	if (argc != 2) {
		fprintf(stderr, "usage: getaddrinfo NAME\n");
		return 2;
	}
	memset(&hints, 0, sizeof hints);
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	clock_gettime(CLOCK_MONOTONIC, &started);
	code = getaddrinfo(argv[1], NULL, &hints, &list);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	printf("%ld", (long)((ended.tv_sec - started.tv_sec) * 1000 + (ended.tv_nsec - started.tv_nsec) / 1000000));
	if (code != 0) {
		printf(" %s\n", error_name(code));
		return 0;
	}
	for (at = list; at != NULL; at = at->ai_next) {
		const void *addr = at->ai_family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)at->ai_addr)->sin6_addr
			: (void *)&((struct sockaddr_in *)at->ai_addr)->sin_addr;
		printf(" %s", inet_ntop(at->ai_family, addr, text, sizeof text));
	}
	printf("\n");
	return 0;
}
