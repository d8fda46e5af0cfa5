import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildWeir } from './open-engine.ts'
import { outputOf, run } from './run.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const IMAGE = 'weir:previous'
/** What an upgrade starts from until there is a release with a tag. */
const BEFORE_RELEASES = '56239e3f3426be4aff5568f85879dc8fc6ddf142'

type Env = Readonly<Record<string, string>>

/** The newest release before this commit, else `BEFORE_RELEASES`; undefined where the clone has neither. */
const previousCommit = async (): Promise<string | undefined> => {
  const git = (...args: readonly string[]) => outputOf('git', args, { cwd: ROOT })
  const tag = await git('describe', '--tags', '--abbrev=0', '--match', 'v*', 'HEAD^')
  const commit = tag?.trim() ?? BEFORE_RELEASES
  const isThere = await git('merge-base', '--is-ancestor', commit, 'HEAD')
  return isThere === undefined ? undefined : commit
}

/** Builds the image that an upgrade starts from. Resolves to variables that name it, or say why there is none. */
export const buildPrevious = async (env: Env, progress: (text: string) => void): Promise<Env> => {
  const commit = await previousCommit()
  if (commit === undefined) {
    return {
      WEIR_PREVIOUS_MISSING: `the clone has neither a release before this commit nor ${BEFORE_RELEASES}`,
    }
  }
  progress(`Building the image of ${commit}, to upgrade from`)
  const work = await mkdtemp(join(tmpdir(), 'weir-previous-'))
  try {
    const sources = join(work, 'sources')
    await mkdir(sources)
    await run('git', ['archive', '--output', join(work, 'sources.tar'), commit], { cwd: ROOT })
    await run('tar', ['--extract', '--file', join(work, 'sources.tar'), '--directory', sources])
    await buildWeir(env, IMAGE, sources)
    return { WEIR_PREVIOUS_IMAGE: IMAGE, WEIR_PREVIOUS_VERSION: commit }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
