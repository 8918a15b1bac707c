// How times, names and ids are shown, in the reader's language.

const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' });
const shortDate = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const yearDate = new Intl.DateTimeFormat(undefined, { year: 'numeric', month: 'short', day: 'numeric' });
const longDate = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const longYearDate = new Intl.DateTimeFormat(undefined, { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'narrow' });
const relativeDay = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });

/** The local calendar day of a time in milliseconds, as a number that grows by 1 a day. */
export function dayOf(ms) {
  const date = new Date(ms);
  return Math.round(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / 86_400_000);
}

/** The time of day. */
export const timeOf = (ms) => clock.format(ms);

/** Date and time in full. */
export const fullTime = (ms) => full.format(ms);

/** How long ago, in a few characters: for the list of conversations. */
export function ago(ms, now = Date.now()) {
  const minutes = Math.floor((now - ms) / 60_000);
  const days = dayOf(now) - dayOf(ms);
  if (minutes < 1) return relative.format(0, 'second');
  if (minutes < 60) return relative.format(-minutes, 'minute');
  if (days <= 0) return clock.format(ms);
  if (days === 1) return relativeDay.format(-1, 'day');
  if (days < 7) return weekday.format(ms);
  return (sameYear(ms, now) ? shortDate : yearDate).format(ms);
}

/** The heading of a day in a chat. */
export function dayHeading(ms, now = Date.now()) {
  const days = dayOf(now) - dayOf(ms);
  if (days === 0 || days === 1) {
    const word = relativeDay.format(-days, 'day');
    return word.charAt(0).toLocaleUpperCase() + word.slice(1);
  }
  return (sameYear(ms, now) ? longDate : longYearDate).format(ms);
}

function sameYear(a, b) {
  return new Date(a).getFullYear() === new Date(b).getFullYear();
}

/** The name to show for a profile, which may not be known yet. */
export function nameOf(profile) {
  return profile?.display_name || profile?.username || '…';
}

/** One or two letters that stand for a profile. */
export function initials(profile) {
  const words = nameOf(profile).split(/[\s._-]+/).filter(Boolean);
  const first = firstCharacter(words[0]);
  const last = words.length > 1 ? firstCharacter(words[words.length - 1]) : '';
  return (first + last).toLocaleUpperCase();
}

function firstCharacter(word = '') {
  if (!Intl.Segmenter) return Array.from(word)[0] ?? '';
  const [first] = new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(word);
  return first?.segment ?? '';
}

/** The class of a user's colour: one of 12, always the same for an id. */
export function hue(userId) {
  let hash = 2166136261;
  for (let i = 0; i < userId.length; i += 1) {
    hash = Math.imul(hash ^ userId.charCodeAt(i), 16777619);
  }
  return `hue-${((hash ^ (hash >>> 15)) >>> 0) % 12}`;
}

/** Makes `element` the avatar of a profile. */
export function paintAvatar(element, userId, profile) {
  element.className = `avatar ${hue(userId)}`;
  element.textContent = initials(profile);
}

/** A number for a badge. */
export const badge = (count) => (count > 99 ? '99+' : String(count));

/** Whether a text is one to three emoji and nothing else: shown larger. */
export function isEmoji(text) {
  return text.length <= 40
    && /^(?:\p{Extended_Pictographic}(?:\uFE0F|\p{Emoji_Modifier}|\u200D\p{Extended_Pictographic})*){1,3}$/u.test(text);
}
