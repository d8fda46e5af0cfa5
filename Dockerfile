# One image for every Weir service; the command names the service:
#   docker build -t weir . && docker run weir ingress
# The workspace stays a workspace: Node strips types, but not below node_modules.
ARG NODE_IMAGE=node:24.22.3-slim

FROM ${NODE_IMAGE} AS manifests
WORKDIR /weir
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
COPY patches patches
COPY packages packages
COPY services services
COPY cli cli
COPY verification verification
COPY tools tools
RUN find packages services cli verification tools -type f ! -name package.json -delete

FROM ${NODE_IMAGE} AS dependencies
RUN npm install --global --no-fund --no-audit pnpm@12.21.0
WORKDIR /weir
# Changes only when a manifest does, and so the next step is cached.
COPY --from=manifests /weir ./
# Without what only npm start and the tests need: PostgreSQL's binaries alone are 60 MB.
RUN pnpm install --prod --frozen-lockfile --filter '!@weir/local-stack' --filter '!@weir/testkit'

FROM ${NODE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Weir" \
      org.opencontainers.image.description="Exactly-once webhook intake for contact-centre platforms, on Kafka" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
WORKDIR /weir
# The heap takes its share of the container's memory limit; filters, caches and buffers live beside it.
# Every service answers its probes on one port (deploy/container/ports.mjs), except ingress: strangers reach its
# webhook port.
# Names are looked up by the thread pool: those of a broker that is gone may hang, and must not hold up the others.
ENV NODE_ENV=production \
    UV_THREADPOOL_SIZE=32 \
    NODE_OPTIONS=--max-old-space-size-percentage=60 \
    STATE_DIR=/var/lib/weir/dedup \
    TRUTH_DIR=/var/lib/weir/truth \
    INGRESS_PROBE_PORT=3009 \
    REPLAY_HOST=0.0.0.0
RUN cd /var/lib && mkdir -p weir/dedup weir/truth weir/registry weir/secrets/sources weir/secrets/body-hash weir/secrets/postgres weir/secrets/database-owner weir/secrets/database-writer weir/secrets/database-reader weir/secrets/influx weir/secrets/influx-token weir/secrets/console weir/secrets/replay \
    && chown -R 1000:1000 weir
COPY --from=dependencies /weir ./
COPY packages packages
COPY services services
COPY cli cli
COPY verification verification
COPY tools/local-stack tools/local-stack
COPY deploy/container deploy/container
RUN mkdir compile-cache && chown 1000:1000 compile-cache
USER 1000:1000
# Types are stripped and code is compiled here, not at each start. A processor of another kind does it again for itself.
ENV NODE_COMPILE_CACHE=/weir/compile-cache
RUN ["node", "deploy/container/compile.mjs"]
EXPOSE 3000 3009
# Node is process 1: services handle SIGTERM themselves and start no children.
ENTRYPOINT ["node", "/weir/deploy/container/run.mjs"]
CMD ["--help"]
HEALTHCHECK --interval=10s --timeout=10s --start-period=180s --retries=6 CMD ["node", "/weir/deploy/container/healthy.mjs"]
