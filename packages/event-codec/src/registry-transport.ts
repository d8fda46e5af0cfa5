import type registryClient from '@kafkajs/confluent-schema-registry'
import type { RegistryAnswer } from './registry-http.ts'

type LibraryOptions = ConstructorParameters<typeof registryClient.SchemaRegistry>[0]
type Middleware = NonNullable<LibraryOptions['middlewares']>[number]
type Response = Awaited<ReturnType<NonNullable<ReturnType<Middleware>['response']>>>

/** `body` is JSON. Rejects with a `RegistryError` when there is no whole answer in time. */
export type AskRegistry = (method: string, path: string, body?: string) => Promise<RegistryAnswer>

/** Subject, version or schema; 40408: a subject has no compatibility of its own. */
const MISSING = new Set<unknown>([40_401, 40_402, 40_403, 40_408])

/** A 404 of anything but the registry itself, such as a proxy whose registry is still starting, says nothing of schemas. */
export const isMissing = ({ status, body }: RegistryAnswer): boolean =>
  status === 404 && MISSING.has((body as { readonly error_code?: unknown } | undefined)?.error_code)

/** The registry, or something in its place, did not answer what it was asked. */
export class UnexpectedAnswerError extends Error {
  override readonly name = 'UnexpectedAnswerError'
  readonly answer: RegistryAnswer

  constructor(answer: RegistryAnswer) {
    super(`the schema registry answers ${answer.status}`)
    this.answer = answer
  }

  /** What the library looks at: to it 404 means that there is none. */
  get status(): number | undefined {
    return isMissing(this.answer) ? 404 : undefined
  }
}

type Body = Readonly<Record<string, unknown>>

const hasId = ({ id }: Body): boolean => Number.isSafeInteger(id)
const hasSchema = ({ schema }: Body): boolean => typeof schema === 'string'
const hasLevel = ({ compatibilityLevel }: Body): boolean => typeof compatibilityLevel === 'string'

/** What the library reads of an answer, by its own names of the calls. Something else in the registry's place may answer 200 too. */
const CHECKS: Readonly<Record<string, (body: Body) => boolean>> = {
  'Schema.find': hasSchema,
  'Subject.version': hasSchema,
  'Subject.register': hasId,
  'Subject.registered': hasId,
  'Subject.config': hasLevel,
  'Subject.updateConfig': () => true,
}

/**
 * Sends what the library asks. It is the outermost middleware and calls none of the others, so the library's own HTTP
 * client is not used: that one has no time-out for a whole answer, no bound on its size, waits for ever when the
 * connection ends within an answer, and drops the `error_code`.
 */
export const registryTransport =
  (ask: AskRegistry): Middleware =>
  ({ resourceName, resourceMethod }) => ({
    response: async (_next, _renew, request) => {
      const answer = await ask(
        request.method().toUpperCase(),
        request.path(),
        request.body() as string | undefined,
      )
      const isExpected = CHECKS[`${resourceName}.${resourceMethod}`]!
      if (answer.status !== 200 || !isExpected((answer.body ?? {}) as Body)) {
        throw new UnexpectedAnswerError(answer)
      }
      // All that the library asks of a response.
      return { data: () => answer.body } as unknown as Response
    },
  })
