import { setTimeout as sleep } from 'node:timers/promises'

const ATTEMPTS_MAX = 6
const WAIT_MS = 500

/**
 * Reads what a run has left, once more after 0.5 to 8 s when it fails: servers that were killed break connections long
 * after, and a run must end with a verdict. Throws the last error after six attempts.
 */
export const persistently = async <T>(read: () => Promise<T>, waitMs = WAIT_MS): Promise<T> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await read()
    } catch (error) {
      if (attempt === ATTEMPTS_MAX) throw error
      await sleep(waitMs * 2 ** (attempt - 1))
    }
  }
}
