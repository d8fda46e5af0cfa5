import { once } from 'node:events'
import type { Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Stopping {
  /** `/readyz` reports not ready. */
  isDraining: boolean
  /** Each response closes its connection. */
  isClosing: boolean
}

/** A request that is not answered after the longest possible time gets no response. */
const SLACK_MS = 1_000

/**
 * First `/readyz` reports not ready, so that load balancers send no new requests. Then each response closes its
 * connection. Finally idle connections are closed, and requests in progress get their responses.
 */
export const drain = async (
  server: Server,
  { drainMs, requestBudgetMs }: { readonly drainMs: number; readonly requestBudgetMs: number },
  stopping: Stopping,
): Promise<void> => {
  stopping.isDraining = true
  await sleep(drainMs)
  stopping.isClosing = true
  // As much time again for clients to use the connections that they keep, and so to notice that they close.
  const until = performance.now() + drainMs
  while (performance.now() < until && (await connectionsOf(server)) > 0) await sleep(20)
  const closed = once(server, 'close')
  server.close()
  // A connection on which nothing was sent does not count as idle.
  const timer = setTimeout(() => server.closeAllConnections(), requestBudgetMs + SLACK_MS)
  await closed
  clearTimeout(timer)
}

const connectionsOf = (server: Server): Promise<number> =>
  new Promise((resolve) => server.getConnections((error, count) => resolve(error ? 0 : count)))
