import { mkdir, readdir, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { outputOf, run } from './run.ts'

export const hasApt = async (): Promise<boolean> => (await outputOf('apt-get', ['--version'])) !== undefined

/** Debian's merged layout: packages still name /bin and /lib. */
const MERGED = ['bin', 'sbin', 'lib', 'lib64'] as const

/** Of one step: no mirror may hold up a test run for long. */
const APT_MS_MAX = 300_000

/** Asks apt what is needed: on top of this machine, or for a system that has nothing yet. */
const closure = async (names: readonly string[], isWholeSystem: boolean): Promise<readonly string[]> => {
  const nothing = isWholeSystem ? ['-o', 'Dir::State::status=/dev/null'] : []
  const args = ['install', '--simulate', '--no-install-recommends', ...nothing, ...names]
  const plan = await run('apt-get', args, { env: { LC_ALL: 'C' }, timeoutMs: APT_MS_MAX })
  return [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name!)
}

export interface ExtractOptions {
  readonly names: readonly string[]
  readonly folder: string
  /** True: with everything they need. False: with what this machine lacks. */
  readonly isWholeSystem: boolean
}

/** Downloads Debian packages with apt and unpacks them into a folder; their scripts are not run. */
export const extractPackages = async ({ names, folder, isWholeSystem }: ExtractOptions): Promise<void> => {
  const packed = join(folder, 'packed')
  await mkdir(packed, { recursive: true })
  const get = async (): Promise<void> => {
    const all = await closure(names, isWholeSystem)
    // apt drops its rights to a user who may not write here; without a sandbox there is nothing to warn about.
    await run('apt-get', ['download', '-o', 'APT::Sandbox::User=root', ...all], {
      cwd: packed,
      timeoutMs: APT_MS_MAX,
    })
  }
  // What apt knows may be old, or nothing at all.
  await get().catch(async () => {
    await run('apt-get', ['update'], { timeoutMs: APT_MS_MAX })
    await get()
  })
  if (isWholeSystem) {
    for (const name of MERGED) {
      await mkdir(join(folder, 'usr', name), { recursive: true })
      await symlink(`usr/${name}`, join(folder, name))
    }
  }
  for (const file of await readdir(packed)) {
    const tar = 'dpkg-deb --fsys-tarfile "$1" | tar --extract --keep-directory-symlink --directory "$2"'
    await run('bash', ['-o', 'pipefail', '-c', tar, 'unpack', join(packed, file), folder])
  }
  await rm(packed, { recursive: true })
}
