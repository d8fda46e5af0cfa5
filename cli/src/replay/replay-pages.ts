import { progress, type Row } from '../output.ts'
import type { ReplayClient } from './replay-client.ts'

const PAGE_MAX = 1_000

/** Reads as many rows as requested, page by page. A message says when there are more. */
export const pagesOf = async (
  client: ReplayClient,
  name: 'letters' | 'jobs',
  query: Readonly<Record<string, string>>,
  wanted: number,
): Promise<readonly Row[]> => {
  const rows: Row[] = []
  let after: unknown
  do {
    // The service reports what is wrong with a limit.
    const limit = String(Math.min(PAGE_MAX, wanted - rows.length))
    const asked = new URLSearchParams({ ...query, limit, ...(typeof after === 'string' && { after }) })
    const page = await client.get(`/v1/${name}?${asked.toString()}`)
    rows.push(...(page[name] as readonly Row[]))
    after = page.next
  } while (typeof after === 'string' && rows.length < wanted)
  if (typeof after === 'string') progress(`There are more ${name}: give --limit.`)
  return rows
}
