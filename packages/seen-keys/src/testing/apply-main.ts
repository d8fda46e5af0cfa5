// Applies one transaction after another to the store in a folder until it is killed. A line on stdout says that a
// transaction is committed, as Kafka's acknowledgement does, before the store gets it.
import { writeSync } from 'node:fs'
import { SeenKeys } from '../index.ts'
import { applyTransaction, openStore, WINDOW_MS } from './transactions.ts'

const { store } = await openStore(process.argv[2]!)
const seen = new SeenKeys({ windowMs: WINDOW_MS, partitions: 1 }, store)
for (let t = Number(store.stateOffset); ; t++) {
  writeSync(1, `${t}\n`)
  await applyTransaction(seen, t)
  // The background work gets its turns, as it does between transactions.
  if (t % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
}
