export { ROW_SINK_CASES, type RowSinkCase } from './conformance.ts'
export { rowEvent } from './row-event.ts'
export type { RefusedEvent, Restore, RowStore, StoredRow } from './row-store.ts'
export { openTcpProxy, type TcpProxy } from './tcp-proxy.ts'
