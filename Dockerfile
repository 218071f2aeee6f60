# Builds the server, and packs it alone: `docker build -t grantor .`, then `docker run -p 8080:8080 grantor`.
#
# The build image has gcc and the C headers already; SQLite and aws-lc, the two parts in C, need nothing else.
FROM rust:1.95-slim-bookworm AS build

WORKDIR /build

# How many compilers run at once: `--build-arg CARGO_BUILD_JOBS=1` for a small machine. Unset is one for each core.
ARG CARGO_BUILD_JOBS

# The dependencies first, with an empty program in place of ours, so that their layer lasts until Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src benches/http tests/it data \
    && echo 'fn main() {}' | tee src/main.rs benches/http/main.rs tests/architecture.rs tests/it/main.rs >/dev/null \
    && touch src/lib.rs \
    && cargo build --release --locked --bin grantor

COPY migrations migrations
COPY config config
# Every user may read it, whatever the umask of the checkout.
RUN install -D -m 644 config/container.toml /etc/grantor/grantor.toml
COPY locales locales
COPY templates templates
COPY src src
# The copied files may be older than the empty program, and cargo goes by that.
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked --bin grantor

# distroless: libc, libgcc and the certificates of the public authorities, which is all that the binary needs. No shell
# and no package manager, so there is little to patch and nothing to run for somebody who gets in. Its user is 65532.
FROM gcr.io/distroless/cc-debian12:nonroot

LABEL org.opencontainers.image.title="Grantor" \
      org.opencontainers.image.description="A self-hosted OAuth 2 authorization server for APIs and MCP servers" \
      org.opencontainers.image.licenses="Apache-2.0 OR MIT"

COPY --from=build /build/target/release/grantor /usr/local/bin/grantor
COPY --from=build /etc/grantor /etc/grantor
# A new volume takes over the owner of the folder that it covers.
COPY --from=build --chown=65532:65532 /build/data /data

USER 65532:65532
# If a mounted settings file names no database, the program uses data/grantor.db. From here, that is in the volume.
WORKDIR /

# The image's defaults are in a file and not in variables: variables would override a mounted settings file, and giving
# GRANTOR_DATABASE__URL_FILE beside GRANTOR_DATABASE__URL is an error. To use your own file, mount it in place of this one.
ENV GRANTOR_CONFIG=/etc/grantor/grantor.toml

VOLUME /data
EXPOSE 8080

HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/grantor", "healthcheck"]

ENTRYPOINT ["/usr/local/bin/grantor"]
CMD ["serve"]
