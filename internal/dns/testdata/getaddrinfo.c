/* getaddrinfo prints what a device's libc makes of a name: the return code, the time, and the addresses in order. */
#define _POSIX_C_SOURCE 200112L
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

int main(int argc, char **argv)
{
	struct addrinfo hints, *list = 0, *a;
	struct timespec began, ended;
	char text[INET6_ADDRSTRLEN];
	int rc;

	if (argc != 2)
		return 2;
	memset(&hints, 0, sizeof hints);
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	clock_gettime(CLOCK_MONOTONIC, &began);
	rc = getaddrinfo(argv[1], "5684", &hints, &list);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	printf("%d %ld", rc, (ended.tv_sec - began.tv_sec) * 1000 + (ended.tv_nsec - began.tv_nsec) / 1000000);
	for (a = rc ? 0 : list; a; a = a->ai_next) {
		const void *at = a->ai_family == AF_INET
			? (const void *)&((struct sockaddr_in *)a->ai_addr)->sin_addr
			: (const void *)&((struct sockaddr_in6 *)a->ai_addr)->sin6_addr;
		printf(" %s", inet_ntop(a->ai_family, at, text, sizeof text));
	}
	printf("\n");
	return 0;
}
