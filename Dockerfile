# One image with the one binary. Build: docker build -t heedful .
FROM rust:1.95-slim-trixie AS build
# The client of Kafka is C, and built by make.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY triggers triggers
COPY models models
COPY schemas schemas
COPY examples examples
COPY tests/sdk/server.rs tests/sdk/server.rs
COPY tests/bench tests/bench
# What was compiled before stays in the builder's cache, so that a change of one file is quick.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/build/target,sharing=locked \
    cargo build --release --locked --bin heedful \
    && cp target/release/heedful /heedful

FROM debian:trixie-slim
# Certificates for webhooks over TLS, curl for the health check below; Debian's stable release
# mends both without changing what they do, so that no version is pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /heedful --create-home heedful \
    && mkdir /data \
    && chown heedful:heedful /data
COPY --from=build /heedful /usr/local/bin/heedful
USER 10001
WORKDIR /heedful
# A folder with triggers/, models/ and heedful.yaml is mounted here.
ENV HEEDFUL_DATA=/data \
    HEEDFUL_LISTEN=0.0.0.0:8080 \
    HEEDFUL_LOG=json
VOLUME /data
EXPOSE 8080
# Time to finish what is under way: attempts to send, the last commit.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["curl", "--fail", "--silent", "--output", "/dev/null", "http://127.0.0.1:8080/readyz"]
ENTRYPOINT ["heedful"]
CMD ["serve"]
