import type { TransactionClient } from './transaction-client.ts'
import type { TransactionView } from './transaction-view.ts'

type Ask = <A extends readonly unknown[], T>(request: (...of: A) => Promise<T>) => (...of: A) => Promise<T>

/** One that is under way when the signal is aborted goes on; none is begun after it. */
const asking =
  (signal: AbortSignal): Ask =>
  (request) =>
  async (...of) => {
    signal.throwIfAborted()
    return request(...of)
  }

/** A view that asks nothing any more once the signal is aborted: each request rejects with its reason. */
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

/** As `viewUntil`, for all that a producer asks; it can still be disconnected. */
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
