# Two ways to the same final stage, an empty image with one static binary:
#   docker build -t endpoint-exporter/endpoint_exporter .
#     compiles in a Go image (Debian 12's buildah must be told: --build-arg FROM_STAGE=compiled)
#   docker build -t endpoint-exporter/endpoint_exporter --build-arg FROM_STAGE=prebuilt --build-arg BINARY=endpoint_exporter .
#     takes a binary built outside; without BINARY it is looked for under the platform's name (linux/arm64/endpoint_exporter)
# Neither knows its version: `make image` tells it, and adds the label org.opencontainers.image.created, which must be a date.
ARG FROM_STAGE=compiled
ARG GO_IMAGE=golang:1.26.8@sha256:6c2a5538f964f1c82f97ad14988bf05de100d922d159d0e398b54c7b0ca0c6c9

FROM ${GO_IMAGE} AS compiled
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
ARG REVISION=unknown
ARG BRANCH=unknown
ARG BUILD_DATE=unknown
RUN CGO_ENABLED=0 go build -trimpath \
    -ldflags "-s -w -X github.com/prometheus/common/version.Version=${VERSION} -X github.com/prometheus/common/version.Revision=${REVISION} -X github.com/prometheus/common/version.Branch=${BRANCH} -X github.com/prometheus/common/version.BuildDate=${BUILD_DATE}" \
    -o /endpoint_exporter ./cmd/endpoint_exporter

FROM scratch AS prebuilt
ARG TARGETPLATFORM
ARG BINARY=${TARGETPLATFORM}/endpoint_exporter
COPY ${BINARY} /endpoint_exporter

FROM ${FROM_STAGE} AS binary

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="endpoint_exporter" \
      org.opencontainers.image.description="Walks the path that devices walk to their cloud, for Prometheus" \
      org.opencontainers.image.source="https://github.com/endpoint-exporter/endpoint_exporter" \
      org.opencontainers.image.documentation="https://github.com/endpoint-exporter/endpoint_exporter#readme" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The web authorities are inside the binary (golang.org/x/crypto/x509roots/fallback).
COPY --from=binary /endpoint_exporter /endpoint_exporter
USER 65534:65534
EXPOSE 15684
ENTRYPOINT ["/endpoint_exporter"]
