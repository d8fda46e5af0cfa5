import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cacheFolder } from '../local-stack/src/index.ts'

/**
 * Fills a folder of the cache once. Two at the same time do not clash: each fills its own, and the later one is
 * dropped. Rejects with what `fill` rejects with, and then leaves nothing.
 */
export const ensureCached = async (
  name: string,
  fill: (temporary: string) => Promise<void>,
): Promise<string> => {
  const folder = join(cacheFolder(), name)
  if (existsSync(folder)) return folder
  const temporary = `${folder}.tmp-${process.pid}`
  mkdirSync(temporary, { recursive: true })
  try {
    await fill(temporary)
    mkdirSync(dirname(folder), { recursive: true })
    renameSync(temporary, folder)
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true })
    if (!existsSync(folder)) throw error
  }
  return folder
}
