import { plainJson } from '@weir/contracts'
import type { FastifyInstance } from 'fastify'
import type { ApiOptions } from './api-options.ts'
import { describeLetter, exportLetter, hexPreview, letterBody } from '../letters/export-letter.ts'
import { holderOf, noting } from './guard.ts'
import { readLetter, type Letter } from '../letters/letter.ts'
import { letterStream } from './letter-stream.ts'
import { countQuery, exportQuery, letterPath, listQuery, parsed } from './requests.ts'
import { walkLetters, clientSignal, type ScanLimit } from './scans.ts'

const JSON_LINES = 'application/x-ndjson'
/** Most records that one page reads. A rare letter may need several pages. */
const PAGE_SCANNED_MAX = 200_000

const placeOf = ({ partition, offset }: Pick<Letter, 'partition' | 'offset'>): string =>
  `${partition}/${offset}`

/** Routes that list, count, show and export letters. */
export const addLetterRoutes = (v1: FastifyInstance, options: ApiOptions, scans: ScanLimit): void => {
  const { letters, state, keys } = options
  const note = noting(options.audit)
  v1.get('/v1/letters', async (request, reply) => {
    const { limit, after, ...filter } = parsed(listQuery, request.query)
    const end = scans.begin(holderOf(request).name)
    try {
      const page: object[] = []
      const signal = clientSignal(reply)
      const walk = { letters, state, filter, after, scannedMax: PAGE_SCANNED_MAX, signal }
      const stoppedAt = await walkLetters(walk, (letter) => {
        page.push(describeLetter(letter))
        return page.length < limit
      })
      return { letters: page, next: stoppedAt === undefined ? null : placeOf(stoppedAt) }
    } finally {
      end()
    }
  })
  v1.get('/v1/letters/count', async (request, reply) => {
    const filter = parsed(countQuery, request.query)
    const end = scans.begin(holderOf(request).name)
    try {
      let count = 0
      await walkLetters({ letters, state, filter, signal: clientSignal(reply) }, () => {
        count += 1
        return true
      })
      return { count }
    } finally {
      end()
    }
  })
  v1.get('/v1/letters/export', async (request, reply) => {
    const { format, after, ...filter } = parsed(exportQuery, request.query)
    const end = scans.begin(holderOf(request).name)
    reply.raw.once('close', end)
    // If the brokers are unavailable, the response must say so before its first line.
    await letters.offsets(filter.stage)
    await note(request, 'letters.export', { filter, format, after: after && placeOf(after) })
    const walk = { letters, state, filter, after, signal: clientSignal(reply) }
    const lines = letterStream(
      (onLetter) => walkLetters(walk, onLetter),
      (letter) => `${plainJson(exportLetter(letter, format, keys))}\n`,
      (letters) => note(request, 'letters.exported', { filter, format, letters }),
    )
    // HTTP/1.0 has no chunks, so a broken connection would look like a complete response. Proxies such as nginx use it.
    lines.once('error', () => request.raw.socket.resetAndDestroy())
    return reply.type(JSON_LINES).send(lines)
  })
  v1.get('/v1/letters/:stage/:partition/:offset', async (request, reply) => {
    const { stage, partition, offset } = parsed(letterPath, request.params)
    await state.refresh()
    let letter: Letter | undefined
    if (!(await letters.offsets(stage)).has(partition)) return reply.code(404).send({ error: 'Not found' })
    await letters.read(stage, { partition, from: offset, end: offset + 1n }, (record) => {
      letter = readLetter(stage, record, state.marks.statusOf(stage, partition, offset))
      return false
    })
    if (letter?.offset !== offset) return reply.code(404).send({ error: 'Not found' })
    await note(request, 'letter.show', { letter: `${stage}/${partition}/${offset}` })
    const body = letterBody(letter, keys)
    const preview = body === undefined ? 'sealed with a key that is not configured' : hexPreview(body)
    return { ...describeLetter(letter), bytes: body?.length ?? null, preview }
  })
}
