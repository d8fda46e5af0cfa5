import { createHash } from 'node:crypto'

export interface JournalEntry {
  /** Port of the process that responded. */
  readonly port: number
  /** Hex sha256 of the body that was sent. */
  readonly sentHash: string
  readonly status: number
  /** Only for a 2xx response. */
  readonly eventKey?: string
}

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** Everything that was sent and came back in a run, for the checks at its end. */
export class Journal {
  readonly entries: JournalEntry[] = []
  /** Heads and bodies of all responses. */
  readonly answers: string[] = []

  add(port: number, raw: Buffer, status: number, head: string, body: string): void {
    const eventKey = status === 200 ? /"eventKey":"([\da-f]{32})"/.exec(body)?.[1] : undefined
    this.entries.push({ port, sentHash: sha256(raw), status, ...(eventKey !== undefined && { eventKey }) })
    this.answers.push(`${status} ${head}\n${body}`)
  }

  addText(text: string): void {
    this.answers.push(text)
  }
}
