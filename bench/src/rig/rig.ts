import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  fetchKafka,
  findJava,
  folders as foldersOf,
  freePorts,
  startKafka,
  weirHome,
  type LocalServer,
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
  const start = async (): Promise<LocalServer> => {
    const java = await findJava()
    if (java === undefined) throw new Error('A benchmark needs Java 17 or later, or KAFKA_BROKERS.')
    await fetchKafka(folders)
    const [port, controllerPort] = await freePorts(2)
    return startKafka({ folders, java, port: port!, controllerPort: controllerPort!, optimised: true })
  }
  return {
    folder,
    progress,
    kafka: async () => {
      const given = process.env.KAFKA_BROKERS
      if (given !== undefined && given !== '') return given.split(',')
      server ??= start()
      return [(await server).url]
    },
    close: async () => {
      const running = await server?.catch(() => undefined)
      await running?.stop()
      rmSync(join(home, under), { recursive: true, force: true })
    },
  }
}
