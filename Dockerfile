# crossfade's image: one binary, no shell, not root. The root file system may be read-only; only
# /var/lib/crossfade, where the latch lives, is written to.
#
#   docker build -t crossfade:0.1.0 .
#   docker run -v $PWD/deploy/compose/real:/etc/crossfade:ro -v crossfade:/var/lib/crossfade \
#     --read-only -p 127.0.0.1:8787:8787 -e CROSSFADE_ADMIN_TOKEN crossfade:0.1.0
#
# In a container `listen` is not loopback, so that the published port reaches it, as
# deploy/compose/real/rollout.yaml says. AWS credentials come as ever.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src ./src
# Locked dependencies and no paths of this stage in the binary: the same sources give the same bytes.
RUN RUSTFLAGS="--remap-path-prefix=/src=. --remap-path-prefix=/usr/local/cargo=cargo" \
    cargo build --release --locked --bin crossfade \
    && install -D -m 755 target/release/crossfade /image/usr/local/bin/crossfade \
    && install -d -o 65532 -g 65532 -m 700 /image/var/lib/crossfade

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /image /
USER 65532:65532
# Where commands look for rollout.yaml: `docker exec … crossfade history` needs no more.
WORKDIR /etc/crossfade
# Here, so that the latch and the last accepted configuration are found although rollout.yaml is
# broken, empty or gone. A `state` in the file must say the same.
ENV CROSSFADE_STATE=/var/lib/crossfade/state.json
VOLUME /var/lib/crossfade
EXPOSE 8787 8788
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 \
    CMD ["crossfade", "health", "--config", "/etc/crossfade/rollout.yaml"]
ENTRYPOINT ["crossfade"]
CMD ["run", "--config", "/etc/crossfade/rollout.yaml"]
