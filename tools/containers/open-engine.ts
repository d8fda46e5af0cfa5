import { fileURLToPath } from 'node:url'
import {
  buildInflux,
  fetchKafka,
  fetchRegistry,
  folders as foldersOf,
  hasGo,
  hasMaven,
  influxFolder,
  isInfluxBuilt,
  isKafkaFetched,
  isRegistryFetched,
  weirHome,
} from '../local-stack/src/index.ts'
import { startEngine, type Engine } from './engine.ts'
import { buildLocalImages, type LocalImageParts, type LocalImages } from './local-images.ts'
import { run } from './run.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Nothing was checked, for a reason that is none of Weir's. */
export class SkippedError extends Error {
  override readonly name = 'SkippedError'
}

const PARTS_MS_MAX = 900_000
const BUILD_MS_MAX = 600_000

const within = async <T>(msMax: number, what: string, promise: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} takes longer than ${msMax / 60_000} minutes`)), msMax)
  })
  try {
    return await Promise.race([promise, tooLong])
  } finally {
    clearTimeout(timer)
  }
}

/** What the local images are made of, as `npm start` keeps it. */
const fetchParts = async (): Promise<Pick<LocalImageParts, 'downloads' | 'influx'>> => {
  if (process.arch !== 'x64') throw new SkippedError('local images can only be built on x64')
  const folders = foldersOf(weirHome())
  const isFetched = isKafkaFetched(folders) && isRegistryFetched(folders)
  if (!isFetched && !(await hasMaven())) throw new SkippedError('Maven is not there to get Kafka')
  if (!isInfluxBuilt(folders) && !(await hasGo())) throw new SkippedError('Go is not there to build InfluxDB')
  await within(
    PARTS_MS_MAX,
    'to get Kafka, the registry and InfluxDB',
    Promise.all([fetchKafka(folders), fetchRegistry(folders), buildInflux(folders)]),
  )
  return { downloads: folders.downloads, influx: influxFolder(folders) }
}

export interface OpenEngine {
  readonly engine: Engine
  /** Variables that name images built here; empty where the engine can pull the public ones. */
  readonly images: LocalImages
}

/**
 * The caller's engine, else one of ours with images built from packages. Rejects with a `SkippedError` when neither can
 * be.
 */
export const openEngine = async (progress: (text: string) => void): Promise<OpenEngine> => {
  const engine = await startEngine()
  if (typeof engine === 'string') throw new SkippedError(engine)
  try {
    progress(
      engine.isOurs ? 'A Docker engine runs until this ends' : 'The Docker engine of this machine is used',
    )
    const images = engine.isOurs ? await buildLocalImages({ engine, ...(await fetchParts()), progress }) : {}
    return { engine, images }
  } catch (error) {
    await engine.stop()
    throw error instanceof SkippedError ? error : new SkippedError((error as Error).message)
  }
}

/**
 * Builds the image of Weir from a clone with an engine of ours, whose containers have no network of their own. Only
 * what has changed is built anew.
 */
export const buildWeir = async (
  env: Readonly<Record<string, string>>,
  tag: string,
  folder = ROOT,
): Promise<void> => {
  const from = ['--network', 'host', '--build-arg', `NODE_IMAGE=${env.NODE_IMAGE ?? ''}`]
  await run('docker', ['build', ...from, '--tag', tag, folder], { env, timeoutMs: BUILD_MS_MAX })
}
