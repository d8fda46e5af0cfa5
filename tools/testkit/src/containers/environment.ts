import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fromEnvironment, type Folders } from '@weir/local-stack'
import {
  GenericContainer,
  getContainerRuntimeClient,
  ImageName,
  Network,
  type ContainerRuntimeClient,
} from 'testcontainers'
import type { TestServers } from '../environment.ts'
import {
  imageOf,
  IMAGES,
  postgresUrl,
  registryUrl,
  startInfluxContainer,
  startKafkaContainer,
  startPostgresContainer,
  startRegistryContainer,
  type ServerName,
} from './servers.ts'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
const OWN_IMAGE = 'weir:test'

type Progress = (text: string) => void

/** Why tests cannot run in containers here; undefined: they can. Pulls the images that are not there. */
export const containersMissing = async (progress: Progress): Promise<string | undefined> => {
  let client: ContainerRuntimeClient
  try {
    client = await getContainerRuntimeClient()
  } catch (error) {
    return `no Docker engine answers (${(error as Error).message})`
  }
  for (const name of Object.keys(IMAGES) as ServerName[]) {
    const image = ImageName.fromString(imageOf(name))
    if (await client.image.exists(image)) continue
    progress(`Pulling ${image.string}`)
    try {
      await client.image.pull(image)
    } catch (error) {
      return `the image ${image.string} is not there and cannot be pulled: ${(error as Error).message}`
    }
  }
  return undefined
}

/** The image of Weir that the environment names, else one built from this clone. */
const weirImage = async (progress: Progress): Promise<string> => {
  const named = fromEnvironment('WEIR_IMAGE')
  if (named !== undefined) return named
  if (!existsSync(join(ROOT, 'Dockerfile'))) {
    throw new Error(
      'WEIR_IMAGE must name an image of Weir: there is no clone beside the testkit to build one from',
    )
  }
  progress('Building the image of Weir')
  const nodeImage = fromEnvironment('NODE_IMAGE')
  await GenericContainer.fromDockerfile(ROOT)
    .withBuildArgs(nodeImage === undefined ? {} : { NODE_IMAGE: nodeImage })
    .build(OWN_IMAGE, { deleteOnExit: false })
  return OWN_IMAGE
}

export interface ContainerServers {
  readonly servers: Omit<TestServers, 'under'>
  stop(): Promise<void>
}

/** Starts each server in a container, all on one new network. */
export const startContainerServers = async (
  folders: Folders,
  progress: Progress,
): Promise<ContainerServers> => {
  const image = await weirImage(progress)
  progress('Starting Kafka, the registry, PostgreSQL and InfluxDB in containers')
  const network = await new Network().start()
  const id = randomBytes(3).toString('hex')
  const on = (server: string) => ({
    network: network.getName(),
    name: `weir-test-${id}-${server}`,
    logsDir: folders.logs,
  })
  const access = { token: randomBytes(16).toString('hex'), org: 'default', bucket: 'cxone_metrics' }
  const started = await Promise.allSettled([
    startKafkaContainer(on('kafka')),
    startRegistryContainer(on('registry')),
    startPostgresContainer(on('postgres')),
    startInfluxContainer(on('influxdb'), access),
  ])
  const running = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const stop = async (): Promise<void> => {
    await Promise.all(running.map(({ container }) => container.stop({ timeout: 5_000 })))
    await network.stop()
  }
  const failure = started.find((one) => one.status === 'rejected')
  if (failure !== undefined) {
    await stop()
    throw failure.reason
  }
  const [kafka, registry, postgres, influxdb] = running
  return {
    servers: {
      kafkaBrokers: [kafka!.here],
      registryUrl: registryUrl(registry!.here),
      databaseUrl: postgresUrl(postgres!.here),
      influx: { url: `http://${influxdb!.here}`, ...access },
      services: {
        kind: 'containers',
        image,
        network: network.getName(),
        inside: Object.fromEntries(running.map(({ here, inside }) => [here, inside])),
      },
    },
    stop,
  }
}
