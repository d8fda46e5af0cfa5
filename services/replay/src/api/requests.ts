import { DEAD_LETTER_STAGE_NAMES, DEAD_LETTER_STAGES } from '@weir/contracts'
import {
  isJsonObject,
  numberText,
  parseExactJson,
  replaceExactNumbers,
  type JsonObject,
} from '@weir/exact-json'
import { z } from 'zod'
import { EXPORT_FORMAT_NAMES, exportFormatOf, isDeeper } from '../letters/export-letter.ts'
import { NOT_EDITED } from '../letters/return-letter.ts'
import { jobRequest, letterFilter, type FixUp, type JobRequest } from '../jobs/job.ts'

const PAGE_MAX = 1_000
const OFFSET_MAX = 2n ** 63n - 1n

/** The request cannot be fulfilled. The message says why. */
export class BadRequestError extends Error {
  readonly statusCode = 400
}

export const parsed = <T>(schema: z.ZodType<T>, value: unknown): T => {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new BadRequestError(
    result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '),
  )
}

/** Accepts only digits: `Number` reads an empty text as 0, and `0x10` as a number that others read differently. */
const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'give a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max))
const limit = wholeNumber(1, PAGE_MAX).default(100)
const moment = z.iso.datetime({ offset: true }).transform((iso) => Date.parse(iso))
const offset = z
  .string()
  .regex(/^\d{1,19}$/, 'an offset is a whole number')
  .transform(BigInt)
  .refine((value) => value <= OFFSET_MAX, 'an offset has at most 63 bits')
const partition = wholeNumber(0, 10_000)

const after = z
  .string()
  .regex(/^\d{1,5}\/\d{1,19}$/, 'give partition/offset, as in `next` of the previous page')
  .transform((text) => {
    const [one = '', at = ''] = text.split('/')
    return { partition: Number(one), offset: BigInt(at) }
  })
  .refine((place) => place.offset < OFFSET_MAX, 'an offset has at most 63 bits')

/** Query parameters are texts, so numbers are parsed. */
const queryFilter = letterFilter.safeExtend({ from: moment.optional(), to: moment.optional() })
export const countQuery = queryFilter
export const listQuery = queryFilter.safeExtend({ limit, after: after.optional() })
export const exportQuery = queryFilter.safeExtend({
  after: after.optional(),
  format: z
    .string()
    .default('weir')
    .transform((name, context) => {
      const format = exportFormatOf(name)
      if (format !== undefined) return format
      context.addIssue({ code: 'custom', message: `give one of ${EXPORT_FORMAT_NAMES.join(', ')}` })
      return z.NEVER
    }),
})
export const jobsQuery = z.strictObject({ limit, after: z.string().max(64).optional() })

export const letterPath = z.strictObject({ stage: z.enum(DEAD_LETTER_STAGE_NAMES), partition, offset })

export const createBody = jobRequest.safeExtend({
  dryRun: z.boolean().default(false),
  /** The caller chooses the id, so that a repeated request makes one job. */
  id: z.uuid().optional(),
})

/** Of the job that was read and is approved: an id may be used again once its job is forgotten. */
export const approveBody = z.strictObject({ requestedAt: z.number().optional() })

const fixUpProblems = ({ set, remove, rename }: FixUp): readonly string[] => {
  const targets = Object.values(rename)
  return [
    ...remove.filter((name) => Object.hasOwn(set, name)).map((name) => `sets and removes ${name}`),
    ...targets
      .filter((name, i) => targets.indexOf(name) !== i)
      .map((name) => `renames two fields to ${name}, so one would be lost`),
  ]
}

/** Refuses well-formed requests that contradict themselves. */
export const requireDoable = ({ kind, filter, fixUp }: JobRequest, asked: unknown): void => {
  const refuse = (why: string): never => {
    throw new BadRequestError(why)
  }
  const { from, to, stage, reason } = filter
  if (from !== undefined && to !== undefined && from >= to) refuse('filter: `from` is not before `to`')
  if (kind === 'discard' && Object.hasOwn(asked as object, 'replaysMax'))
    refuse('replaysMax: a discard does not count replays')
  if (fixUp === undefined) return
  if (kind === 'discard') refuse('fixUp: a discarded letter cannot be edited')
  if (DEAD_LETTER_STAGES[stage].holds === 'event') {
    refuse(`fixUp: a letter of ${stage} holds an encoded event, which cannot be edited`)
  }
  if (reason !== undefined && NOT_EDITED.includes(reason))
    refuse(`fixUp: a letter with reason ${reason} can only return unchanged`)
  const [problem] = fixUpProblems(fixUp)
  if (problem !== undefined) refuse(`fixUp: it ${problem}`)
}

const LEVELS_MAX = 64

/** Numbers that a fix-up sets keep their digits. All other numbers are parsed as doubles. */
export const parseBody = (text: string): unknown => {
  const exact = parseExactJson(text)
  if (isDeeper(exact, LEVELS_MAX)) throw new BadRequestError(`the body has more than ${LEVELS_MAX} levels`)
  const body: unknown = replaceExactNumbers(exact, (number) => Number(numberText(number)))
  if (!isJsonObject(body) || !isJsonObject(body.fixUp) || !isJsonObject(body.fixUp.set)) return body
  const { set } = (exact as { readonly fixUp: JsonObject }).fixUp
  return { ...body, fixUp: { ...body.fixUp, set } }
}
