# Builds the image of the server: `docker build -t grantor .`, then `docker run -p 8080:8080 grantor`.
#
# The build image has gcc and the C headers. SQLite and aws-lc, the two parts in C, need nothing else.
FROM rust:1.95-slim-bookworm AS build

WORKDIR /build

# How many compilers run at once; by default one per core. Use `--build-arg CARGO_BUILD_JOBS=1` on a small machine.
ARG CARGO_BUILD_JOBS

# First only the dependencies, with empty files in place of our sources: this layer is reused until Cargo.lock changes.
# The same script builds the release archives, so the flags are the same.
COPY Cargo.toml Cargo.lock ./
COPY src/rules/Cargo.toml src/rules/
COPY scripts/build-release scripts/
RUN mkdir -p benches/http tests/it data \
    && echo 'fn main() {}' | tee src/main.rs benches/http/main.rs tests/architecture.rs tests/it/main.rs >/dev/null \
    && touch src/lib.rs src/rules/lib.rs src/rules/mod.rs \
    && scripts/build-release

COPY migrations migrations
COPY config config
# Readable by every user, whatever the umask of the checkout.
RUN install -D -m 644 config/container.toml /etc/grantor/grantor.toml
COPY locales locales
COPY templates templates
COPY src src
# cargo compares times, and the copied files may be older than the empty ones.
RUN find src -name '*.rs' -exec touch {} + \
    && install -D -m 755 "$(scripts/build-release)" /usr/local/bin/grantor

# distroless has libc, libgcc and the public CA certificates, which is all that the binary needs. It has no shell and no
# package manager, so there is little to patch and little for an intruder to run. Its user is 65532.
FROM gcr.io/distroless/cc-debian12:nonroot

LABEL org.opencontainers.image.title="Grantor" \
      org.opencontainers.image.description="A self-hosted OAuth 2 authorization server for APIs and MCP servers" \
      org.opencontainers.image.licenses="Apache-2.0 OR MIT"

COPY --from=build /usr/local/bin/grantor /usr/local/bin/grantor
COPY --from=build /etc/grantor /etc/grantor
# A new volume gets the owner of the folder that it covers.
COPY --from=build --chown=65532:65532 /build/data /data

USER 65532:65532
# If a mounted settings file names no database, the program uses data/grantor.db. From here, that is in the volume.
WORKDIR /

# The image's defaults are in a file because variables would override a mounted settings file, and because setting both
# GRANTOR_DATABASE__URL_FILE and GRANTOR_DATABASE__URL is an error. To use your own file, mount it in place of this one.
ENV GRANTOR_CONFIG=/etc/grantor/grantor.toml

VOLUME /data
EXPOSE 8080

HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/grantor", "healthcheck"]

ENTRYPOINT ["/usr/local/bin/grantor"]
CMD ["serve"]
