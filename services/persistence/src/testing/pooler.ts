import { createServer, type AddressInfo, type Socket } from 'node:net'

export interface Pooler {
  readonly databaseUrl: string
  /** Names of all startup parameters. */
  readonly parameters: ReadonlySet<string>
  /** The statements of each connection, in order. */
  readonly statements: readonly (readonly string[])[]
  /** Breaks the connections that are open. */
  breakConnections(): void
  close(): void
}

const AUTHENTICATED = message('R', Buffer.alloc(4))
const READY = message('Z', Buffer.from('I'))
const PARSED = Buffer.concat([message('1'), message('2')])
const COMPLETE = message('C', Buffer.from('SELECT 1\0'))

/** Speaks the protocol of PostgreSQL. It responds to each statement with one row of one column, which is true. */
export const startPooler = async (column: string): Promise<Pooler> => {
  const parameters = new Set<string>()
  const statements: string[][] = []
  const sockets = new Set<Socket>()
  const description = Buffer.concat([Buffer.from(`\0\x01${column}\0`), Buffer.alloc(18)])
  // bool, of one byte
  description.writeInt32BE(16, description.length - 12)
  const row = Buffer.concat([message('T', description), message('D', Buffer.from('\0\x01\0\0\0\x01t'))])
  const server = createServer((socket) => {
    const own: string[] = []
    statements.push(own)
    sockets.add(socket)
    let isStarted = false
    let rest = Buffer.alloc(0)
    socket.on('error', () => undefined)
    socket.on('data', (data) => {
      rest = Buffer.concat([rest, data])
      for (;;) {
        const head = isStarted ? 1 : 0
        if (rest.length < head + 4 || rest.length < head + rest.readInt32BE(head)) return
        const end = head + rest.readInt32BE(head)
        const type = isStarted ? String.fromCharCode(rest[0]!) : 'start'
        const texts = rest
          .subarray(head + 4, end)
          .toString('latin1')
          .split('\0')
        rest = rest.subarray(end)
        isStarted = true
        if (type === 'start') {
          // After the protocol version come names and values in turn.
          for (const [index, text] of texts.filter((text) => /\w/.test(text)).entries()) {
            if (index % 2 === 0) parameters.add(text.replace(/^\W+/, ''))
          }
          socket.write(Buffer.concat([AUTHENTICATED, READY]))
        }
        if (type === 'Q') {
          own.push(texts[0]!)
          socket.write(Buffer.concat([COMPLETE, READY]))
        }
        if (type === 'P') own.push(texts[1]!)
        if (type === 'S') socket.write(Buffer.concat([PARSED, row, COMPLETE, READY]))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const breakConnections = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    databaseUrl: `postgres://weir:x@127.0.0.1:${port}/weir`,
    parameters,
    statements,
    breakConnections,
    close: () => {
      breakConnections()
      server.close()
    },
  }
}

function message(type: string, body: Buffer = Buffer.alloc(0)): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(4 + body.length)
  return Buffer.concat([Buffer.from(type), length, body])
}
