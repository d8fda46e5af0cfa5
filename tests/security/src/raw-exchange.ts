import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Journal } from './journal.ts'

/** What a socket saw that sent bytes which are no well-formed HTTP. */
export interface RawExchange {
  /** Status of each response, in order. */
  readonly statuses: readonly number[]
  /** The server ended the connection, or reset it, within the wait. */
  readonly isClosed: boolean
  /** From the connection to its end, or to the end of the wait, ms. */
  readonly ms: number
}

export interface RawScript {
  readonly port: number
  /** Bytes to send, and pauses in ms. Ends early when the server closes. */
  readonly steps: readonly (string | Buffer | number)[]
  /** How long to wait for the end of the connection. */
  readonly waitMs: number
  readonly journal: Journal
}

/** Sends bytes as they are and collects what comes back. */
export const exchangeRaw = async ({ port, steps, waitMs, journal }: RawScript): Promise<RawExchange> => {
  const startedAt = performance.now()
  const socket = connect({ port, host: '127.0.0.1' })
  let text = ''
  let isClosed = false
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      isClosed = true
      resolve()
    })
  })
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
  })
  // A reset is an end like any other.
  socket.on('error', () => undefined)
  socket.setNoDelay()
  const write = async (): Promise<void> => {
    for (const step of steps) {
      if (socket.destroyed) return
      if (typeof step === 'number') await Promise.race([sleep(step), closed])
      else socket.write(step)
    }
  }
  const timer = new AbortController()
  await Promise.race([
    write().then(() => closed),
    sleep(waitMs, undefined, { signal: timer.signal }).catch(() => undefined),
  ])
  timer.abort()
  const ms = performance.now() - startedAt
  const wasClosed = isClosed
  socket.destroy()
  journal.addText(text)
  return { statuses: statusesOf(text), isClosed: wasClosed, ms }
}

/** The head of a response may follow a body directly, without a line break. */
export const statusesOf = (text: string): readonly number[] =>
  [...text.matchAll(/HTTP\/1\.[01] (\d{3}) /g)].map((match) => Number(match[1]))

export const describeExchange = ({ statuses, isClosed }: RawExchange): string =>
  `${statuses.length === 0 ? 'no answer' : statuses.join(', ')}, ${isClosed ? 'closed' : 'open'}`
