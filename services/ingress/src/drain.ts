import { once } from 'node:events'
import type { Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Stopping {
  /** `/readyz` says no. */
  isDraining: boolean
  /** Each answer closes its connection. */
  isClosing: boolean
}

/** What is still not answered after the longest that a request may take gets no answer. */
const SLACK_MS = 1_000

/**
 * First `/readyz` says no, so that balancers send nothing new; then each answer closes its connection; then what is
 * still idle is closed, and what is under way gets its answer.
 */
export const drain = async (
  server: Server,
  { drainMs, requestBudgetMs }: { readonly drainMs: number; readonly requestBudgetMs: number },
  stopping: Stopping,
): Promise<void> => {
  stopping.isDraining = true
  await sleep(drainMs)
  stopping.isClosing = true
  // As long again for clients to use, and so to lose, the connections that they keep.
  const until = performance.now() + drainMs
  while (performance.now() < until && (await connectionsOf(server)) > 0) await sleep(20)
  const closed = once(server, 'close')
  server.close()
  // Who has connected and sent nothing does not count as idle.
  const timer = setTimeout(() => server.closeAllConnections(), requestBudgetMs + SLACK_MS)
  await closed
  clearTimeout(timer)
}

const connectionsOf = (server: Server): Promise<number> =>
  new Promise((resolve) => server.getConnections((error, count) => resolve(error ? 0 : count)))
