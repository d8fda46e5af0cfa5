import type registryClient from '@kafkajs/confluent-schema-registry'
import type { RegistryAnswer } from './registry-http.ts'

type LibraryOptions = ConstructorParameters<typeof registryClient.SchemaRegistry>[0]
type Middleware = NonNullable<LibraryOptions['middlewares']>[number]
type Response = Awaited<ReturnType<NonNullable<ReturnType<Middleware>['response']>>>

/** `body` is JSON. Rejects with a `RegistryError` when no complete answer arrives in time. */
export type AskRegistry = (method: string, path: string, body?: string) => Promise<RegistryAnswer>

/** Subject, version or schema; 40408: a subject has no compatibility of its own. */
const MISSING = new Set<unknown>([40_401, 40_402, 40_403, 40_408])

/** A 404 that does not come from the registry, but from a proxy in front of it for example, says nothing about schemas. */
export const isMissing = ({ status, body }: RegistryAnswer): boolean =>
  status === 404 && MISSING.has((body as { readonly error_code?: unknown } | undefined)?.error_code)

/** The registry, or a server in its place, sent an unexpected answer. */
export class UnexpectedAnswerError extends Error {
  override readonly name = 'UnexpectedAnswerError'
  readonly answer: RegistryAnswer

  constructor(answer: RegistryAnswer) {
    super(`the schema registry answers ${answer.status}`)
    this.answer = answer
  }

  /** The library reads this status; it takes 404 for a missing schema. */
  get status(): number | undefined {
    return isMissing(this.answer) ? 404 : undefined
  }
}

type Body = Readonly<Record<string, unknown>>

const hasId = ({ id }: Body): boolean => Number.isSafeInteger(id)
const hasSchema = ({ schema }: Body): boolean => typeof schema === 'string'
const hasLevel = ({ compatibilityLevel }: Body): boolean => typeof compatibilityLevel === 'string'

/** The fields that the library reads of an answer, by the library's call names. A server in the registry's place may answer 200 as well. */
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
      // The library calls nothing else on a response.
      return { data: () => answer.body } as unknown as Response
    },
  })
