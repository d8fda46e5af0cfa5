import type { TransactionClient } from './transaction-client.ts'
import type { TransactionView } from './transaction-view.ts'

type Ask = <A extends readonly unknown[], T>(request: (...of: A) => Promise<T>) => (...of: A) => Promise<T>

/** Starts no request after the signal is aborted. A running request continues. */
const asking =
  (signal: AbortSignal): Ask =>
  (request) =>
  async (...of) => {
    signal.throwIfAborted()
    return request(...of)
  }

/** A view whose requests reject with the signal's reason, without being sent, once the signal is aborted. */
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

/** Like `viewUntil`, for all requests of a producer. Disconnecting stays possible. */
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
