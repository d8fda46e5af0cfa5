import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ensureCached } from './cache.ts'
import { outputOf, run } from './run.ts'

const VERSION = '2.40.3'
const MODULE = 'github.com/docker/compose/v2'

const STEP_MS_MAX = 480_000

export interface Compose {
  readonly command: string
  /** Before Compose's own arguments. */
  readonly args: readonly string[]
}

/** Compose v2 from its Go module: 67 MB, one to three minutes of two cores, once for each user. */
const build = (): Promise<string> =>
  ensureCached(`docker-compose-${VERSION}`, async (folder) => {
    process.stderr.write(`Building Docker Compose ${VERSION}, once: it takes some minutes\n`)
    await writeFile(join(folder, 'go.mod'), 'module compose\n\ngo 1.25\n')
    await run('go', ['get', '-tool', `${MODULE}/cmd@v${VERSION}`], { cwd: folder, timeoutMs: STEP_MS_MAX })
    const flags = `-s -w -X ${MODULE}/internal.Version=v${VERSION}`
    await run('go', ['build', `-ldflags=${flags}`, '-o', 'docker-compose', `${MODULE}/cmd`], {
      cwd: folder,
      timeoutMs: STEP_MS_MAX,
      env: { CGO_ENABLED: '0' },
    })
  })

/** Docker's own Compose v2, else one built with Go; a text says why there is none. */
export const findCompose = async (): Promise<Compose | string> => {
  const version = await outputOf('docker', ['compose', 'version', '--short'])
  if (version !== undefined && /^v?[2-9]/.test(version)) return { command: 'docker', args: ['compose'] }
  if ((await outputOf('go', ['version'])) === undefined) {
    return 'there is neither Docker Compose v2 nor Go to build it'
  }
  try {
    return { command: join(await build(), 'docker-compose'), args: [] }
  } catch (error) {
    return `Docker Compose could not be built: ${(error as Error).message}`
  }
}
