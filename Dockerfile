# syntax=docker/dockerfile:1
# The image of the server: every role is this binary. For one platform or several:
#   docker buildx build --platform linux/arm64,linux/amd64 --tag NAME --push .
# Each platform is compiled natively; a foreign platform is emulated, which is slow.

FROM rust:1.95.0-slim-bookworm AS build
ARG TARGETPLATFORM
WORKDIR /src
COPY . .
# Compiled code is cached between builds, separately for each platform.
RUN --mount=type=cache,id=registry,target=/usr/local/cargo/registry \
    --mount=type=cache,id=target-${TARGETPLATFORM},target=/src/target \
    cargo build --profile ship --locked -p server \
    && install target/ship/buttonparty /usr/local/bin/buttonparty \
    && mkdir /data

# No shell and no package manager: only the C library, certificates, and an unprivileged user.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /usr/local/bin/buttonparty /usr/local/bin/buttonparty
COPY --from=build --chown=65532:65532 /data /var/lib/buttonparty
USER 65532:65532
ENV BUTTONPARTY_LISTEN=0.0.0.0:8080 \
    BUTTONPARTY_DATA=/var/lib/buttonparty
# Used only if inbox or store are files; everything else may be read-only.
VOLUME ["/var/lib/buttonparty"]
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/buttonparty"]
CMD ["all"]
