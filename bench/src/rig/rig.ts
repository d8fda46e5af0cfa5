import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  fetchKafka,
  fetchRegistry,
  findJava,
  folders as foldersOf,
  freePorts,
  fromEnvironment,
  type LocalServer,
  startKafka,
  startRegistry,
  weirHome,
} from '@weir/local-stack'
import type { BenchRig } from '../bench.ts'

/** The rig of one run: its servers and files are its own and end with it. */
export const openRig = (): BenchRig & { close(): Promise<void> } => {
  const home = weirHome()
  const under = `bench-${process.pid}`
  const folders = foldersOf(home, under)
  const folder = join(home, under, 'files')
  mkdirSync(folder, { recursive: true })
  const progress = (text: string): void => {
    process.stderr.write(`${text}\n`)
  }
  let server: Promise<LocalServer> | undefined
  let registry: Promise<LocalServer> | undefined
  const javaOr = async (setting: string): Promise<string> => {
    const java = await findJava()
    if (java === undefined) throw new Error(`A benchmark needs Java 17 or later, or ${setting}.`)
    return java
  }
  const openRegistry = async (): Promise<LocalServer> => {
    const java = await javaOr('SCHEMA_REGISTRY_URL')
    await fetchRegistry(folders)
    const [port] = await freePorts(1)
    return startRegistry({ folders, java, port: port! })
  }
  const start = async (): Promise<LocalServer> => {
    const java = await javaOr('KAFKA_BROKERS')
    await fetchKafka(folders)
    const [port, controllerPort] = await freePorts(2)
    return startKafka({ folders, java, port: port!, controllerPort: controllerPort!, optimised: true })
  }
  return {
    folder,
    progress,
    kafka: async () => {
      const brokers = fromEnvironment('KAFKA_BROKERS')
      if (brokers !== undefined) return brokers.split(',')
      server ??= start()
      return [(await server).url]
    },
    registry: async () => {
      const url = fromEnvironment('SCHEMA_REGISTRY_URL')
      if (url !== undefined) return url
      registry ??= openRegistry()
      return (await registry).url
    },
    close: async () => {
      for (const starting of [server, registry]) {
        const running = await starting?.catch(() => undefined)
        await running?.stop()
      }
      rmSync(join(home, under), { recursive: true, force: true })
    },
  }
}
