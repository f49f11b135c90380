/** Bounds on what a model's chat template may do. Its own text, not the person's, is what they guard against. */
export const TEMPLATE_LIMITS = {
  /** UTF-16 units of the template. The longest in use are about 30,000. */
  templateLength: 1 << 18,
  /** UTF-16 units of any text made while rendering, beyond 16 times the messages' length. */
  textLength: 1 << 22,
  /** Items of any list made while rendering, beyond twice the messages' length. */
  listLength: 1 << 16,
  /** Milliseconds, parsing and rendering. Real templates take a few. */
  time: 5000,
} as const;

/** A template did more than it may. */
export class TemplateLimitReached extends Error {}

/** A template called `raise_exception`: the messages are not what it takes. */
export class TemplateRefusal extends Error {}
