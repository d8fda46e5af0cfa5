import type { TransactionClient } from './transaction-client.ts'
import type { TransactionView } from './transaction-view.ts'

type Ask = <A extends readonly unknown[], T>(request: (...of: A) => Promise<T>) => (...of: A) => Promise<T>

/** A request that is under way when the signal is aborted continues; no new one starts. */
const asking =
  (signal: AbortSignal): Ask =>
  (request) =>
  async (...of) => {
    signal.throwIfAborted()
    return request(...of)
  }

/** A view that sends nothing once the signal is aborted: each request rejects with the signal's reason. */
export const viewUntil = (signal: AbortSignal, view: TransactionView): TransactionView => {
  const ask = asking(signal)
  return {
    canLook: ask(() => view.canLook()),
    describe: ask(() => view.describe()),
    open: ask((...of) => view.open(...of)),
    init: ask((...of) => view.init(...of)),
    abortOngoing: ask((producerId) => view.abortOngoing(producerId)),
    mark: ask((...of) => view.mark(...of)),
    wait: ask((ms) => view.wait(ms)),
  }
}

/** Like `viewUntil`, for all requests of a producer; disconnecting stays possible. */
export const clientUntil = (signal: AbortSignal, client: TransactionClient): TransactionClient => {
  const ask = asking(signal)
  return {
    view: viewUntil(signal, client.view),
    offsetsPlace: ask(() => client.offsetsPlace()),
    connect: ask(() => client.connect()),
    disconnect: () => client.disconnect(),
    adopt: (own) => client.adopt(own),
    begin: ask(async () => {
      const transaction = await client.begin()
      return {
        addPartitions: ask((places) => transaction.addPartitions(places)),
        send: ask((...of) => transaction.send(...of)),
        sendOffsets: ask((...of) => transaction.sendOffsets(...of)),
        commit: ask(() => transaction.commit()),
      }
    }),
  }
}
