import { z } from 'zod'

/** What clients of the hub read of its errors. A newer hub may add fields. */
export const hubErrorSchema = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    details: z.array(z.string()).default([]),
    /** 403: the rule that denied. */
    rule: z.string().optional(),
    /** 503: what is full or away. */
    resource: z.string().optional(),
  }),
})
export type HubError = z.infer<typeof hubErrorSchema>['error']
