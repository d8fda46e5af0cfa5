export interface OracleInflux {
  readonly url: string
  readonly database: string
  readonly token: string
  /** The tag `environment` of the points. */
  readonly environment: string
}

export interface InfluxSums {
  readonly received: number
  readonly deduplicated: number
  readonly rejected: number
}

const ANSWER_MS_MAX = 30_000

interface Answer {
  readonly results: readonly {
    readonly series?: readonly { readonly values: readonly (readonly unknown[])[] }[]
    readonly error?: string
  }[]
}

/** Sums over all points, by InfluxQL. */
export const readInfluxSums = async ({
  url,
  database,
  token,
  environment,
}: OracleInflux): Promise<InfluxSums> => {
  const query =
    'SELECT sum("events_received"), sum("events_deduplicated"), sum("events_rejected") FROM "cxone_deduplication_stats" ' +
    `WHERE "environment" = '${environment.replaceAll("'", String.raw`\'`)}'`
  const address = new URL('query', url.endsWith('/') ? url : `${url}/`)
  address.search = new URLSearchParams({ db: database, q: query }).toString()
  const response = await fetch(address, {
    // A redirect would take the token along.
    redirect: 'manual',
    headers: token === '' ? {} : { authorization: `Token ${token}` },
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  })
  if (!response.ok) throw new Error(`InfluxDB answered ${response.status} to a query`)
  const [result] = ((await response.json()) as Answer).results
  if (result?.error !== undefined) throw new Error(`InfluxDB refused a query: ${result.error}`)
  const [, received, deduplicated, rejected] = result?.series?.[0]?.values[0] ?? []
  return {
    received: Number(received ?? 0),
    deduplicated: Number(deduplicated ?? 0),
    rejected: Number(rejected ?? 0),
  }
}
