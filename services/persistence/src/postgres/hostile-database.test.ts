import { HOSTILE_WAYS, hostileServer, ordeal, type HostileProtocol } from '@weir/testkit'
import { expect, it } from 'vitest'
import { SinkFaultError, SinkUnavailableError } from '@weir/row-sink'
import { rowEvent } from '@weir/row-sink/testing'
import { requireDurability } from './durability.ts'
import { migrate } from './migrate.ts'
import { PostgresSink } from './postgres-sink.ts'
import { RowFiller } from './row-filler.ts'

const nothing = () => undefined
const logger = { debug: nothing, info: nothing, warn: nothing, error: nothing, fatal: nothing }
/** The pool adds 5 s, and a connection may take another 5 s. */
const TIMEOUT_MS = 200

/** Every request of persistence to PostgreSQL. */
const CALLS: Readonly<Record<string, (databaseUrl: string) => Promise<unknown>>> = {
  'the durability check': (url) => requireDurability(url, 'production', logger),
  'the migration': (url) => migrate(url, TIMEOUT_MS),
  'a write of rows': (databaseUrl) =>
    closing(new PostgresSink({ databaseUrl, poolMax: 1, statementTimeoutMs: TIMEOUT_MS }), (sink) =>
      sink.write([rowEvent('hostile-0')]),
    ),
  'a backfill': (databaseUrl) =>
    closing(new RowFiller({ databaseUrl, statementTimeoutMs: TIMEOUT_MS }), (filler) =>
      filler.forget('cxone'),
    ),
}

const closing = async <T extends { close(): Promise<void> }>(
  one: T,
  use: (one: T) => Promise<unknown>,
): Promise<unknown> => {
  try {
    return await use(one)
  } finally {
    await one.close()
  }
}

/** During the connection, and within a session. */
const PROTOCOLS: readonly HostileProtocol[] = ['postgres', 'postgresSession']
const CASES = Object.entries(CALLS).flatMap(([name, call]) =>
  PROTOCOLS.flatMap((protocol) => HOSTILE_WAYS.map((way) => ({ name, call, protocol, way }))),
)

it.concurrent.each(CASES)(
  '$name ends when a $protocol server $way',
  async ({ call, protocol, way }) => {
    const port = await hostileServer(protocol, way)
    const { outcome, ms, grownBytes } = await ordeal(() => call(`postgresql://u:p@127.0.0.1:${port}/weir`))
    expect(
      outcome instanceof SinkUnavailableError || outcome instanceof SinkFaultError,
      String(outcome),
    ).toBe(true)
    expect(ms).toBeLessThan(45_000)
    // Several run at the same time, and each may hold 64 MB.
    expect(grownBytes).toBeLessThan(600_000_000)
  },
  90_000,
)
