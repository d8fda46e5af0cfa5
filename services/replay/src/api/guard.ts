import { EXPIRY_NOTICE_MS, TokenGate, type AccessTokens, type TokenHolder } from '@weir/runtime'
import type { AuditLog } from '@weir/kafka'
import type { FastifyInstance, FastifyRequest } from 'fastify'

const GUESSES = { max: 10, windowMs: 60_000 }

export class ForbiddenError extends Error {
  readonly statusCode = 403
}

export const holderOf = (request: FastifyRequest): TokenHolder => request.getDecorator<TokenHolder>('holder')

/** Throws an error with status 403 unless the holder is an operator. */
export const requireOperator = (request: FastifyRequest): void => {
  const { name, role } = holderOf(request)
  if (role !== 'operator') throw new ForbiddenError(`${name} is a ${role} and may only read`)
}

/** Records an action in the audit log before it happens. If this rejects, the action must not happen. */
export const noting =
  (audit: Pick<AuditLog, 'write'>) =>
  (request: FastifyRequest, what: string, details: Readonly<Record<string, unknown>>): Promise<void> => {
    const { name, role } = holderOf(request)
    return audit.write({ what, who: { service: 'replay', name, role, address: request.ip }, details })
  }

/** Refuses requests without a valid token, and tells the holder when the token will expire. */
export const guard = (v1: FastifyInstance, tokens: AccessTokens): void => {
  const gate = new TokenGate(tokens, GUESSES)
  v1.decorateRequest('holder', undefined as unknown as object)
  v1.addHook('onRequest', async (request, reply) => {
    const admission = gate.admit(request.headers.authorization, request.ip)
    if (admission.kind === 'unknown') return reply.code(401).send({ error: 'Unauthorized' })
    if (admission.kind === 'limited') {
      reply.header('retry-after', String(admission.retryAfterSecs))
      return reply.code(429).send({ error: 'Too many unknown tokens' })
    }
    request.setDecorator('holder', admission.holder)
    const { expiresAt } = admission.holder
    if (expiresAt !== undefined && expiresAt - Date.now() <= EXPIRY_NOTICE_MS) {
      reply.header('weir-token-expires', new Date(expiresAt).toISOString())
    }
  })
}
