// Lays a dashboard out as Grafana does and draws each panel. What could not be drawn, or had no data, is told to the server.
import React from 'react';
import { createRoot } from 'react-dom/client';
import { lastValueFrom } from 'rxjs';
import { EventBusSrv, ThemeContext, applyFieldOverrides, cacheFieldDisplayNames, createTheme, dateTime, dateTimeFormat, formattedValueToString, getValueFormat, transformDataFrame } from '@grafana/data';
import { GlobalStyles, PanelContextProvider } from '@grafana/ui';
import { changePoints, frames, timing } from './query.js';
import { fieldConfigRegistry } from './settings.js';
import { Heatmap, StateTimeline } from './own.jsx';
import { Bars, Lines, Stat, Table, Text } from './panels.jsx';

const CELL = { gap: 8, high: 30, columns: 24 };
const TOP = 84;
const KINDS = { timeseries: Lines, stat: Stat, bargauge: Bars, table: Table, text: Text, 'state-timeline': StateTimeline, heatmap: Heatmap };
const OWN = ['state-timeline', 'heatmap'];
const theme = createTheme({ colors: { mode: 'dark' } });
const same = (text) => text;

function placed({ x, y, w, h }) {
  const column = (innerWidth - CELL.gap) / CELL.columns;
  return {
    position: 'absolute',
    left: CELL.gap + x * column,
    top: TOP + y * (CELL.high + CELL.gap),
    width: w * column - CELL.gap,
    height: h * (CELL.high + CELL.gap) - CELL.gap,
  };
}

function Panel({ panel, found, job, range, marks }) {
  const at = placed(panel.gridPos);
  if (panel.type === 'row') return <div style={{ ...at, color: theme.colors.text.primary, fontSize: 16, fontWeight: 500, lineHeight: '30px' }}>⌄ {panel.title}</div>;
  const Kind = KINDS[panel.type];
  const inner = { width: at.width - 18, height: at.height - 44 };
  const unit = (value) => formattedValueToString(getValueFormat(panel.fieldConfig.defaults.unit)(value));
  const empty = panel.type !== 'text' && !found.data.length;
  return (
    <section style={{ ...at, background: theme.colors.background.primary, border: `1px solid ${theme.colors.border.weak}`, borderRadius: 2, padding: '0 8px', overflow: 'hidden' }}>
      <header style={{ height: 34, lineHeight: '34px', fontSize: 14, fontWeight: 500, color: theme.colors.text.primary }}>
        {panel.title}
        {OWN.includes(panel.type) && <small style={{ float: 'right', fontWeight: 400, color: theme.colors.text.disabled }}>{panel.type}, not Grafana&apos;s own drawing</small>}
      </header>
      {empty ? (
        <p style={{ color: theme.colors.text.secondary, textAlign: 'center', marginTop: inner.height / 2 - 20 }}>{panel.fieldConfig.defaults.noValue ?? 'No data'}</p>
      ) : (
        <PanelContextProvider value={{ eventsScope: 'global', eventBus: new EventBusSrv(), sync: () => 0, app: 'dashboard' }}>
          <Kind panel={panel} data={found.data} fieldConfig={found.fieldConfig} range={range} marks={marks} unit={unit} step={timing(job).step} {...inner} />
        </PanelContextProvider>
      )}
    </section>
  );
}

class Caught extends React.Component {
  state = {};
  static getDerivedStateFromError(error) {
    return { error };
  }
  componentDidCatch(error) {
    trouble.push(`${this.props.title}: ${error}`);
  }
  render() {
    return this.state.error ? null : this.props.children;
  }
}

const trouble = [];
const nothing = [];

async function prepared(panel, job) {
  const fieldConfig = panel.fieldConfig;
  if (!panel.targets) return { data: [], fieldConfig };
  try {
    const raw = await frames(panel, job);
    const data = panel.transformations ? await lastValueFrom(transformDataFrame(panel.transformations, raw)) : raw;
    if (!data.length) nothing.push(panel.title);
    const shown = applyFieldOverrides({ data, fieldConfig, fieldConfigRegistry, replaceVariables: same, theme, timeZone: 'utc' });
    cacheFieldDisplayNames(shown);
    return { fieldConfig, data: shown };
  } catch (error) {
    trouble.push(`${panel.title}: ${error}`);
    return { data: [], fieldConfig };
  }
}

function Head({ dashboard, job }) {
  const { range } = timing(job);
  const chosen = dashboard.templating.list.map((one) => (one.type === 'datasource' ? `${one.label}: Prometheus` : `${one.label}: All`));
  return (
    <div style={{ padding: '10px 8px', height: TOP, color: theme.colors.text.primary }}>
      <div style={{ fontSize: 18, fontWeight: 500 }}>
        {dashboard.title}
        <small style={{ float: 'right', fontSize: 12, color: theme.colors.text.secondary }}>
          Drawn from live data with Grafana&apos;s component library @grafana/ui {job.library}, without a Grafana server. {Math.round(range / 60)} min until {dateTimeFormat(job.to * 1000, { format: 'HH:mm', timeZone: 'utc' })} UTC.
        </small>
      </div>
      <div style={{ display: 'flex', gap: 8, marginTop: 10 }}>
        {chosen.map((text) => (
          <span key={text} style={{ fontSize: 12, padding: '4px 8px', background: theme.colors.background.secondary, border: `1px solid ${theme.colors.border.medium}`, borderRadius: 2 }}>{text}</span>
        ))}
      </div>
    </div>
  );
}

async function main() {
  const job = await (await fetch('/job.json')).json();
  const dashboard = job.dashboard;
  const range = { from: dateTime(job.from * 1000), to: dateTime(job.to * 1000), raw: { from: dateTime(job.from * 1000), to: dateTime(job.to * 1000) } };
  const marks = await changePoints(dashboard, job);
  const found = await Promise.all(dashboard.panels.map((panel) => prepared(panel, job)));
  createRoot(document.getElementById('root')).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <Head dashboard={dashboard} job={job} />
      {dashboard.panels.map((panel, index) => (
        <Caught key={panel.id} title={panel.title}>
          <Panel panel={panel} found={found[index]} job={job} range={range} marks={marks} />
        </Caught>
      ))}
    </ThemeContext.Provider>,
  );
}

main()
  .catch((error) => trouble.push(String(error.stack)))
  .then(() => new Promise((resolve) => setTimeout(resolve, 1500)))
  .then(() => fetch('/report', { method: 'POST', body: JSON.stringify({ trouble, nothing }) }));
