/** How one kind of webhook is registered; unconfirmed, see docs/sources. */
export interface RegistrationForm {
  readonly scopes: readonly string[]
  readonly bodyOf: (webhook: WebhookToRegister) => object
}

export interface WebhookToRegister {
  readonly name: string
  /** Where the provider is to deliver. */
  readonly url: string
  /** With which it is to sign; undefined where none was given. */
  readonly secret: string | undefined
}

const LEAN_TEMPLATE = {
  interactionId: '{{interaction.id}}',
  eventType: '{{event.type}}',
  timestamp: '{{event.timestamp}}',
  agentId: '{{interaction.agent.id}}',
  skill: '{{interaction.skill.name}}',
  direction: '{{interaction.direction}}',
  sequenceNumber: '{{event.sequenceNumber}}',
}

export const REGISTRATION_FORMS = {
  cxone: {
    scopes: ['interactions:read', 'events:read'],
    bodyOf: ({ name, url, secret }) => ({
      ...{ name, url },
      eventTypes: ['CALL_CONNECTED', 'CALL_TRANSFERRED', 'CALL_DISCONNECTED', 'CALL_WRAP_UP'],
      payloadTemplate: LEAN_TEMPLATE,
      authentication: { type: 'sharedSecret', secretKey: secret },
      retryPolicy: { maxRetries: 4, initialDelaySeconds: 60 },
    }),
  },
  'cxone-router': {
    scopes: ['webhooks:write', 'interactions:read'],
    bodyOf: ({ name, url }) => ({
      ...{ name, url, scope: 'interactions:read' },
      events: ['interaction.created', 'interaction.updated', 'interaction.completed'],
    }),
  },
  nice: {
    scopes: ['webhook:write', 'webhook:read'],
    bodyOf: ({ url, secret }) => ({ url, events: ['data.action.updated'], secret }),
  },
} as const satisfies Record<string, RegistrationForm>

export type RegistrationFormName = keyof typeof REGISTRATION_FORMS
export const REGISTRATION_FORM_NAMES = Object.keys(REGISTRATION_FORMS) as readonly RegistrationFormName[]
