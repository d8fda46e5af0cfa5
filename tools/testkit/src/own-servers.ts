import { setTimeout as sleep } from 'node:timers/promises'
import {
  findJava,
  freePorts,
  startKafka,
  startPostgres,
  startRegistry,
  type Folders,
  type LocalServer,
} from '@weir/local-stack'
import { getContainerRuntimeClient } from 'testcontainers'
import {
  postgresUrl,
  registryUrl,
  startKafkaContainer,
  startPostgresContainer,
  startRegistryContainer,
  type ServerContainer,
  type ServerContainerOptions,
} from './containers/servers.ts'
import { rememberInside, testServers } from './environment.ts'

/** A server of one test's own, which it may end and start again with what it has. */
export interface OwnServer {
  /** What its clients take: `host:port` for Kafka, else a URL. */
  readonly url: string
  /** As an operator does. */
  stop(): Promise<void>
  /** SIGKILL */
  kill(): Promise<void>
  /** Resolves once it is ready. */
  start(): Promise<void>
  /** Stops the process until it is thawed; its connections stay open. */
  freeze(): Promise<void>
  thaw(): Promise<void>
  /** For good. */
  close(): Promise<void>
}

/** Why tests cannot start servers of their own here; undefined: they can. */
export const ownServersMissing = async (): Promise<string | undefined> => {
  if (testServers().services.kind === 'containers') return undefined
  return (await findJava()) === undefined ? 'there is no Java 17' : undefined
}

export const ownPostgres = (folders: Folders): Promise<OwnServer> =>
  own(folders, {
    name: 'postgres',
    process: ([port]) => startPostgres({ folders, port: port!, fsync: false }),
    container: startPostgresContainer,
    url: postgresUrl,
  })

export const ownRegistry = (folders: Folders): Promise<OwnServer> =>
  own(folders, {
    name: 'registry',
    process: async ([port]) => startRegistry({ folders, java: await java(), port: port! }),
    container: startRegistryContainer,
    url: registryUrl,
  })

/** One broker. */
export const ownKafka = (folders: Folders): Promise<OwnServer> =>
  own(folders, {
    name: 'kafka',
    process: async ([port, controllerPort]) => {
      const properties = { 'group.min.session.timeout.ms': 1_000 }
      const ports = { port: port!, controllerPort: controllerPort! }
      return startKafka({ folders, java: await java(), ...ports, properties })
    },
    container: startKafkaContainer,
    url: (address) => address,
  })

interface Kind {
  readonly name: string
  readonly process: (ports: readonly number[]) => Promise<LocalServer>
  readonly container: (options: ServerContainerOptions) => Promise<ServerContainer>
  readonly url: (address: string) => string
}

const java = async (): Promise<string> => {
  const found = await findJava()
  if (found === undefined) throw new Error('there is no Java 17')
  return found
}

const own = async (folders: Folders, kind: Kind): Promise<OwnServer> => {
  const { services } = testServers()
  return services.kind === 'containers' ? inContainer(folders, kind, services.network) : asProcess(kind)
}

const asProcess = async (kind: Kind): Promise<OwnServer> => {
  const ports = await freePorts(2)
  let server = await kind.process(ports)
  return {
    url: server.url,
    stop: () => server.stop(),
    kill: async () => {
      server.kill('SIGKILL')
      await server.exited
    },
    start: async () => {
      server = await kind.process(ports)
    },
    freeze: async () => {
      server.kill('SIGSTOP')
    },
    thaw: async () => {
      server.kill('SIGCONT')
    },
    close: () => server.stop(),
  }
}

const LOOK_MS = 250

const inContainer = async (folders: Folders, kind: Kind, network: string): Promise<OwnServer> => {
  // The folders of a test have a name that no other's have.
  const name = `weir-test-${kind.name}-${folders.state.replace(/^.*[/\\]/, '')}`
  const server = await kind.container({ network, name, logsDir: folders.logs })
  rememberInside(server.here, server.inside)
  const handle = (await getContainerRuntimeClient()).container.getById(server.container.getId())
  return {
    url: kind.url(server.here),
    stop: async () => {
      await handle.stop({ t: 30 })
    },
    kill: async () => {
      const ended: Promise<unknown> = handle.wait()
      await handle.kill()
      await ended
    },
    start: async () => {
      await handle.start()
      const isReady = () => server.container.exec(['/bin/sh', '-c', server.probe])
      while ((await isReady()).exitCode !== 0) await sleep(LOOK_MS)
    },
    freeze: async () => {
      await handle.pause()
    },
    thaw: async () => {
      await handle.unpause()
    },
    close: () => handle.remove({ force: true, v: true }),
  }
}
