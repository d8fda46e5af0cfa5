import pg from 'pg'
import { onTestFinished } from 'vitest'
import { Pipeline } from './pipeline.ts'

/** Of no source: a test gives those of its own system. */
const NOTHING_SET = {
  SOURCE_CXONE_SECRETS: '',
  SOURCE_CXONE_DATAACTION_SECRETS: '',
  SOURCE_NICE_SECRETS: '',
  SOURCE_COGNIGY_CIDRS: '',
}
/** This process, however its requests get to a container. */
export const OURS = '127.0.0.1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16'

export interface Delivered {
  readonly status: number
  readonly text: string
}

/** A deployment that only the environment of one earlier system has set up. */
export class Switched {
  readonly pipeline: Pipeline

  private constructor(pipeline: Pipeline) {
    this.pipeline = pipeline
  }

  /** Closed when the test ends. */
  static async over(name: string, env: Readonly<Record<string, string>>): Promise<Switched> {
    const pipeline = await Pipeline.start(name, { env: { ...NOTHING_SET, ...env } })
    onTestFinished(() => pipeline.close())
    return new Switched(pipeline)
  }

  async deliver(
    path: string,
    body: string,
    headers: Readonly<Record<string, string>> = {},
    method = 'POST',
  ): Promise<Delivered> {
    const response = await fetch(`${this.pipeline.ingressUrl()}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(method !== 'GET' && { body }),
    })
    return { status: response.status, text: await response.text() }
  }

  /** Resolves once so many webhooks have come to their end. */
  async settled(rows: number, letters: number): Promise<void> {
    await this.pipeline.untilTotals(
      (totals) =>
        totals.rows === rows && totals.deadLettered + totals.conflicts + totals.downstreamLetters === letters,
    )
  }

  async query<Row extends pg.QueryResultRow>(sql: string): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.pipeline.databaseUrl })
    await client.connect()
    try {
      return (await client.query<Row>(sql)).rows
    } finally {
      await client.end()
    }
  }
}
