<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="ko_KR" sourcelanguage="en">
    <context>
        <name>charts</name>
        <message>
            <source>nothing clear</source>
            <translation>뚜렷하지 않음</translation>
        </message>
        <message>
            <source>Feelings in your words: above all {one} and {two}</source>
            <translation>글에서 읽힌 감정: 무엇보다 {one}, {two}</translation>
        </message>
        <message>
            <source>Signs, {n} days at a time</source>
            <translation>{n}일씩 본 기미</translation>
        </message>
        <message>
            <source>Signs, {n} days at a time: most around {day}</source>
            <translation>{n}일씩 본 기미: {day} 무렵에 가장 많음</translation>
        </message>
        <message>
            <source>{name}: at most {hits} of {n} days, in the days to {day}</source>
            <translation>{name}: {day}까지의 기간에 {n}일 중 {hits}일로 가장 많음</translation>
        </message>
        <message>
            <source>Share of days with some or many signs over {n} days. {parts}. Not a diagnosis.</source>
            <translation>{n}일 동안 기미가 조금 또는 많이 보인 날의 비율. {parts}. 진단이 아닙니다.</translation>
        </message>
        <message>
            <source>No mood noted in these days.</source>
            <translation>이 기간에는 적어 둔 기분이 없습니다.</translation>
        </message>
        <message>
            <source>thick line: average of {n} days</source>
            <translation>굵은 선: {n}일 평균</translation>
        </message>
        <message>
            <source>No feelings read in these days.</source>
            <translation>이 기간에는 읽은 감정이 없습니다.</translation>
        </message>
        <message>
            <source>other</source>
            <translation>그 밖</translation>
        </message>
        <message>
            <source>Nothing was read in these days.</source>
            <translation>이 기간에는 읽은 글이 없습니다.</translation>
        </message>
        <message>
            <source>tinted: estimate</source>
            <translation>옅은 색: 추정</translation>
        </message>
        <message>
            <source>hatched: estimate</source>
            <translation>빗금: 추정</translation>
        </message>
        <message>
            <source>your own word</source>
            <translation>직접 정한 값</translation>
        </message>
        <message>
            <source>faint</source>
            <translation>약함</translation>
        </message>
        <message>
            <source>strong</source>
            <translation>강함</translation>
        </message>
        <message>
            <source>Two days of entries are needed before this map begins.</source>
            <translation>이 그림은 이틀 이상 글이 있어야 시작됩니다.</translation>
        </message>
        <message>
            <source>no day</source>
            <translation>없음</translation>
        </message>
        <message>
            <source>every day</source>
            <translation>매일</translation>
        </message>
        <message>
            <source>dotted: no data</source>
            <translation>점: 자료 없음</translation>
        </message>
        <message>
            <source>entries</source>
            <translation>글</translation>
        </message>
        <message>
            <source>most: {n}</source>
            <translation>최대 {n}</translation>
        </message>
        <message>
            <source>{n} day</source>
            <translation>{n}일</translation>
        </message>
        <message>
            <source>{n} days</source>
            <translation>{n}일</translation>
        </message>
        <message>
            <source>{n} entry</source>
            <translation>글 {n}편</translation>
        </message>
        <message>
            <source>{n} entries</source>
            <translation>글 {n}편</translation>
        </message>
        <message>
            <source>{start} to {end}</source>
            <translation>{start}부터 {end}까지</translation>
        </message>
        <message>
            <source>Your mood</source>
            <translation>나의 기분</translation>
        </message>
        <message>
            <source>Your mood, as you noted it</source>
            <translation>직접 적은 나의 기분</translation>
        </message>
        <message>
            <source>Your mood: heaviest around {day}, lighter since</source>
            <translation>나의 기분: {day} 무렵 가장 무거웠고 그 뒤로 가벼워짐</translation>
        </message>
        <message>
            <source>Your mood: lighter in the second half</source>
            <translation>나의 기분: 후반에 더 가벼움</translation>
        </message>
        <message>
            <source>Your mood: heavier in the second half</source>
            <translation>나의 기분: 후반에 더 무거움</translation>
        </message>
        <message>
            <source>Your mood: much the same in both halves</source>
            <translation>나의 기분: 전반과 후반이 비슷함</translation>
        </message>
        <message>
            <source>Own mood from {start} to {end}: noted on {n} of {days} days, {word} on average ({mean:.1f} of 5). Lowest {low:.1f} on {low_day}, highest {high:.1f} on {high_day}. Days without a note are gaps.</source>
            <translation>{start}부터 {end}까지 직접 적은 기분: {days}일 가운데 {n}일, 평균 {word}(5점에 {mean:.1f}). 가장 낮은 날 {low_day} {low:.1f}, 가장 높은 날 {high_day} {high:.1f}. 적지 않은 날은 비워 둡니다.</translation>
        </message>
        <message>
            <source>from</source>
            <translation>시작</translation>
        </message>
        <message>
            <source>to</source>
            <translation>끝</translation>
        </message>
        <message>
            <source>own mood (1 to 5)</source>
            <translation>직접 적은 기분(1~5)</translation>
        </message>
        <message>
            <source>lowest</source>
            <translation>최저</translation>
        </message>
        <message>
            <source>highest</source>
            <translation>최고</translation>
        </message>
        <message>
            <source>entries with a mood</source>
            <translation>기분을 적은 글</translation>
        </message>
        <message>
            <source>average of {n} days</source>
            <translation>{n}일 평균</translation>
        </message>
        <message>
            <source>Feelings in your words: {one}</source>
            <translation>글 속의 감정: {one}</translation>
        </message>
        <message>
            <source>Feelings in your words</source>
            <translation>글 속의 감정</translation>
        </message>
        <message>
            <source>Estimated from the words of {n} entries on {days} days, with your corrections. Mean shares: {parts}. Days without an entry are gaps.</source>
            <translation>{days}일 동안의 글 {n}편에서 추정하고 직접 고친 것을 반영했습니다. 평균 비율: {parts}. 글이 없는 날은 비워 둡니다.</translation>
        </message>
        <message>
            <source>entries read</source>
            <translation>읽은 글</translation>
        </message>
        <message>
            <source>Which feelings, when</source>
            <translation>어떤 감정이 언제</translation>
        </message>
        <message>
            <source>{name} strongest on {day}</source>
            <translation>{name}: {day}에 가장 강함</translation>
        </message>
        <message>
            <source>How strongly each feeling was read, day by day, with your corrections: {parts}.</source>
            <translation>날마다 각 감정을 얼마나 강하게 읽었는지, 직접 고친 것을 반영해 보여 줍니다: {parts}.</translation>
        </message>
        <message>
            <source>Stress and low-mood signs in your words</source>
            <translation>글 속의 스트레스와 가라앉음의 기미</translation>
        </message>
        <message>
            <source>Stress and low-mood signs: many on {many} of {read} days read</source>
            <translation>스트레스와 가라앉음의 기미: 읽은 {read}일 가운데 {many}일에 많음</translation>
        </message>
        <message>
            <source>You set a level yourself {n} times; it is shown apart.</source>
            <translation>직접 정한 값이 {n}번 있으며 따로 보여 줍니다.</translation>
        </message>
        <message>
            <source>Estimated from words; may be wrong; not a diagnosis.</source>
            <translation>글의 표현으로 추정한 것이며 틀릴 수 있고 진단이 아닙니다.</translation>
        </message>
        <message>
            <source>{name}: own word</source>
            <translation>{name}: 직접 정한 값</translation>
        </message>
        <message>
            <source>{name}: share of days</source>
            <translation>{name}: 날의 비율</translation>
        </message>
        <message>
            <source>{name}: days read</source>
            <translation>{name}: 읽은 날</translation>
        </message>
    </context>
    <context>
        <name>summary</name>
        <message>
            <source>nothing clear {share}</source>
            <translation>뚜렷하지 않음 {share}</translation>
        </message>
        <message>
            <source>Share of days with some or many signs, looking back {n} days</source>
            <translation>지난 {n}일 동안 기미가 조금 또는 많이 보인 날의 비율</translation>
        </message>
        <message>
            <source>Entries quoted: {quoted} of {entries}, with what I ticked.</source>
            <translation>글 {entries}편 가운데 {quoted}편에서 내가 고른 것만 옮겼습니다.</translation>
        </message>
        <message>
            <source>My own ratings are left out.</source>
            <translation>내가 적은 점수는 뺐습니다.</translation>
        </message>
        <message>
            <source>There is no section on safety; that says nothing either way.</source>
            <translation>안전에 관한 부분은 없으며, 그것은 어느 쪽도 뜻하지 않습니다.</translation>
        </message>
        <message>
            <source>Names are blacked out in one place.</source>
            <translation>이름을 한 곳에서 가렸습니다.</translation>
        </message>
        <message>
            <source>Names are blacked out in {n} places.</source>
            <translation>이름을 {n}곳에서 가렸습니다.</translation>
        </message>
        <message>
            <source>Estimates made by a model are on the last page, marked as such.</source>
            <translation>모델의 추정은 마지막 쪽에 따로 표시했습니다.</translation>
        </message>
        <message>
            <source>Estimates made by a model are not included.</source>
            <translation>모델의 추정은 들어 있지 않습니다.</translation>
        </message>
        <message>
            <source>What I want to talk about</source>
            <translation>이야기하고 싶은 것</translation>
        </message>
        <message>
            <source>Nothing chosen.</source>
            <translation>고른 것이 없습니다.</translation>
        </message>
        <message>
            <source>The period</source>
            <translation>기간</translation>
        </message>
        <message>
            <source>My own ratings</source>
            <translation>내가 적은 점수</translation>
        </message>
        <message>
            <source>What went worse</source>
            <translation>더 힘들었던 것</translation>
        </message>
        <message>
            <source>What helped</source>
            <translation>도움이 된 것</translation>
        </message>
        <message>
            <source>Safety</source>
            <translation>안전</translation>
        </message>
        <message>
            <source>I would like to talk about my safety.</source>
            <translation>나의 안전에 대해 이야기하고 싶습니다.</translation>
        </message>
        <message>
            <source>What was left out</source>
            <translation>뺀 것</translation>
        </message>
        <message>
            <source>Summary for my therapist</source>
            <translation>상담자에게 드리는 요약</translation>
        </message>
        <message>
            <source>{start} to {end}, made on {made}</source>
            <translation>{start}부터 {end}까지, {made}에 만듦</translation>
        </message>
        <message>
            <source>Self-report, not a diagnosis. Made with Quiet Page, which is not a medical device.</source>
            <translation>스스로 적은 기록이며 진단이 아닙니다. Quiet Page로 만들었고 의료기기가 아닙니다.</translation>
        </message>
        <message>
            <source>Page {n} of {all}</source>
            <translation>{all}쪽 가운데 {n}쪽</translation>
        </message>
        <message>
            <source>{n} of {all}</source>
            <translation>{all} 가운데 {n}</translation>
        </message>
        <message>
            <source> (longest stretch {n})</source>
            <translation> (가장 길게 {n}일)</translation>
        </message>
        <message>
            <source>Entries</source>
            <translation>글</translation>
        </message>
        <message>
            <source>Days with an entry</source>
            <translation>글이 있는 날</translation>
        </message>
        <message>
            <source>Days without data</source>
            <translation>자료가 없는 날</translation>
        </message>
        <message>
            <source>Mood, mean</source>
            <translation>기분 평균</translation>
        </message>
        <message>
            <source>{mean:.1f} of 5 ({n} days)</source>
            <translation>5점에 {mean:.1f} ({n}일)</translation>
        </message>
        <message>
            <source>The period before</source>
            <translation>그 전 기간</translation>
        </message>
        <message>
            <source>{mean:.1f} ({n} days), change {change:+.1f}</source>
            <translation>{mean:.1f} ({n}일), 변화 {change:+.1f}</translation>
        </message>
        <message>
            <source>Lowest to highest</source>
            <translation>최저에서 최고</translation>
        </message>
        <message>
            <source>{low} to {high}</source>
            <translation>{low}에서 {high}</translation>
        </message>
        <message>
            <source>, change {change:+g}</source>
            <translation>, 변화 {change:+g}</translation>
        </message>
        <message>
            <source>No own ratings in these days.</source>
            <translation>이 기간에는 직접 적은 점수가 없습니다.</translation>
        </message>
        <message>
            <source>Mood as noted, dots</source>
            <translation>적은 기분은 점으로</translation>
        </message>
        <message>
            <source>estimate</source>
            <translation>추정</translation>
        </message>
        <message>
            <source>This page was made by a small language model that read {n} entries on my own computer. It describes words, not a person, was trained on public posts that are not diaries, and may be wrong. It is not a diagnosis.</source>
            <translation>이 쪽은 작은 언어 모델이 내 컴퓨터에서 글 {n}편을 읽고 만들었습니다. 사람이 아니라 글의 표현을 말하며, 일기가 아닌 공개 글로 배웠고 틀릴 수 있습니다. 진단이 아닙니다.</translation>
        </message>
        <message>
            <source>Model: {names}.</source>
            <translation>모델: {names}.</translation>
        </message>
        <message>
            <source>Estimates made by a model</source>
            <translation>모델의 추정</translation>
        </message>
        <message>
            <source>No entry of these days has been read.</source>
            <translation>이 기간의 글은 아직 읽지 않았습니다.</translation>
        </message>
        <message>
            <source>Feelings in the words</source>
            <translation>글 속의 감정</translation>
        </message>
        <message>
            <source>Mean shares of what was read: {shares}.</source>
            <translation>읽은 것의 평균 비율: {shares}.</translation>
        </message>
        <message>
            <source>Shares of feelings</source>
            <translation>감정의 비율</translation>
        </message>
        <message>
            <source>Stress and low-mood signs in the words</source>
            <translation>글 속의 스트레스와 가라앉음의 기미</translation>
        </message>
        <message>
            <source>Days at each level</source>
            <translation>단계별 날</translation>
        </message>
        <message>
            <source>The same as a table</source>
            <translation>같은 내용을 표로</translation>
        </message>
    </context>
    <context>
        <name>trends</name>
        <message>
            <source>Feelings stood out in the words of {felt} of {days} days read, above all: {names}.</source>
            <translation>읽은 {days}일 가운데 {felt}일의 글에서 감정이 뚜렷했습니다. 무엇보다: {names}.</translation>
        </message>
        <message>
            <source>{n} entry is not counted here, since 25 years fit at most: {dates}.</source>
            <translation>한 번에 25년까지만 보여 주므로 일기 {n}편은 여기에 들어 있지 않습니다: {dates}.</translation>
        </message>
        <message>
            <source>{n} entries are not counted here, since 25 years fit at most: {dates}.</source>
            <translation>한 번에 25년까지만 보여 주므로 일기 {n}편은 여기에 들어 있지 않습니다: {dates}.</translation>
        </message>
        <message>
            <source>Estimates describe the text, may be wrong, and are not a diagnosis.</source>
            <translation>추정은 글의 표현을 말할 뿐이며 틀릴 수 있고 진단이 아닙니다.</translation>
        </message>
        <message>
            <source>Nothing was written in these days.</source>
            <translation>이 기간에는 쓴 글이 없습니다.</translation>
        </message>
        <message>
            <source>You wrote on {n} day of {all}.</source>
            <translation>{all}일 가운데 {n}일 썼습니다.</translation>
        </message>
        <message>
            <source>You wrote on {n} days of {all}.</source>
            <translation>{all}일 가운데 {n}일 썼습니다.</translation>
        </message>
        <message>
            <source>No own mood was noted.</source>
            <translation>직접 적은 기분이 없습니다.</translation>
        </message>
        <message>
            <source>Your own mood was noted once: {word}.</source>
            <translation>직접 적은 기분이 한 번 있습니다: {word}.</translation>
        </message>
        <message>
            <source>Your own mood was {word} on average ({mean:.1f} of 5, {n} days noted).</source>
            <translation>직접 적은 기분은 평균 {word}입니다(5점에 {mean:.1f}, {n}일 적음).</translation>
        </message>
        <message>
            <source>The second half was lighter than the first.</source>
            <translation>후반이 전반보다 가벼웠습니다.</translation>
        </message>
        <message>
            <source>The second half was heavier than the first.</source>
            <translation>후반이 전반보다 무거웠습니다.</translation>
        </message>
        <message>
            <source>Best day: {best}. Hardest day: {worst}.</source>
            <translation>가장 좋은 날: {best}. 가장 힘든 날: {worst}.</translation>
        </message>
        <message>
            <source>{name}: not sure on any day.</source>
            <translation>{name}: 어느 날도 확실하지 않습니다.</translation>
        </message>
        <message>
            <source>{name}: of {days} days read, {many} had many signs in their words.</source>
            <translation>{name}: 읽은 {days}일 가운데 {many}일의 글에 기미가 많았습니다.</translation>
        </message>
        <message>
            <source>{name}: of {days} days read, {many} had many signs in their words and {some} had some.</source>
            <translation>{name}: 읽은 {days}일 가운데 {many}일의 글에 기미가 많았고 {some}일에는 조금 있었습니다.</translation>
        </message>
        <message>
            <source>{name}: of {days} days read, {some} had some signs in their words.</source>
            <translation>{name}: 읽은 {days}일 가운데 {some}일의 글에 기미가 조금 있었습니다.</translation>
        </message>
        <message>
            <source>{name}: quiet in the words of {days} days read.</source>
            <translation>{name}: 읽은 {days}일의 글에서 잔잔했습니다.</translation>
        </message>
        <message>
            <source>Not sure on {n} more.</source>
            <translation>{n}일은 확실하지 않습니다.</translation>
        </message>
        <message>
            <source>That may be worth talking about with someone you trust.</source>
            <translation>믿는 사람과 이야기해 볼 만한 일일 수 있습니다.</translation>
        </message>
        <message>
            <source>Stress</source>
            <translation>스트레스</translation>
        </message>
        <message>
            <source>Low-mood signs</source>
            <translation>가라앉음의 기미</translation>
        </message>
        <message>
            <source>Help card offered</source>
            <translation>도움 카드를 보인 날</translation>
        </message>
        <message>
            <source>Jan</source>
            <translation>1월</translation>
        </message>
        <message>
            <source>Feb</source>
            <translation>2월</translation>
        </message>
        <message>
            <source>Mar</source>
            <translation>3월</translation>
        </message>
        <message>
            <source>Apr</source>
            <translation>4월</translation>
        </message>
        <message>
            <source>May</source>
            <translation>5월</translation>
        </message>
        <message>
            <source>Jun</source>
            <translation>6월</translation>
        </message>
        <message>
            <source>Jul</source>
            <translation>7월</translation>
        </message>
        <message>
            <source>Aug</source>
            <translation>8월</translation>
        </message>
        <message>
            <source>Sep</source>
            <translation>9월</translation>
        </message>
        <message>
            <source>Oct</source>
            <translation>10월</translation>
        </message>
        <message>
            <source>Nov</source>
            <translation>11월</translation>
        </message>
        <message>
            <source>Dec</source>
            <translation>12월</translation>
        </message>
        <message>
            <source>{day} {month} {year}</source>
            <translation>{year}년 {month} {day}일</translation>
        </message>
        <message>
            <source>{day} {month}</source>
            <translation>{month} {day}일</translation>
        </message>
    </context>
    <context>
        <name>Vault</name>
        <message>
            <source>The journal is locked. Unlock it to go on; everything that was saved is safe.</source>
            <translation>일기가 잠겨 있습니다. 열면 이어서 쓸 수 있습니다. 저장된 것은 모두 안전합니다.</translation>
        </message>
        <message>
            <source>The journal file is damaged, or it belongs to another journal. Nothing was changed. Keep the file as it is, and restore the journal's folder from a backup.</source>
            <translation>일기 파일이 손상되었거나 다른 일기의 것입니다. 바뀐 것은 없습니다. 파일을 그대로 두고 백업에서 일기 폴더를 되살리세요.</translation>
        </message>
        <message>
            <source>The journal cannot be written: the disk is full or the folder is read-only. Everything saved before is safe. Free some space or allow writing to the folder, then try again.</source>
            <translation>일기를 저장할 수 없습니다. 디스크가 가득 찼거나 폴더에 쓸 수 없습니다. 전에 저장된 것은 모두 안전합니다. 공간을 비우거나 폴더에 쓸 수 있게 한 뒤 다시 해 보세요.</translation>
        </message>
        <message>
            <source>This is a rescued copy: it can be read and exported, not changed. Write in your journal, or restore a backup.</source>
            <translation>건져 낸 사본이라 읽고 내보낼 수 있지만 바꿀 수는 없습니다. 원래 일기에 쓰거나 백업을 되살리세요.</translation>
        </message>
        <message>
            <source>Another program is busy with the journal file. Everything saved before is safe. Try again in a moment.</source>
            <translation>다른 프로그램이 일기 파일을 쓰고 있습니다. 전에 저장된 것은 모두 안전합니다. 조금 뒤에 다시 해 보세요.</translation>
        </message>
        <message>
            <source>The backup could not be proved: what was read back is not what was written. Your journal is not touched. The disk of the backups may be failing: choose another folder.</source>
            <translation>백업을 확인할 수 없었습니다. 다시 읽은 것이 쓴 것과 다릅니다. 일기는 그대로입니다. 백업 디스크에 문제가 있을 수 있으니 다른 폴더를 고르세요.</translation>
        </message>
        <message>
            <source>The backup cannot be written: the disk is full or the folder is read-only. Your journal is not touched. Free some space, or choose another folder for backups.</source>
            <translation>백업을 쓸 수 없습니다. 디스크가 가득 찼거나 폴더에 쓸 수 없습니다. 일기는 그대로입니다. 공간을 비우거나 다른 백업 폴더를 고르세요.</translation>
        </message>
        <message>
            <source>There is no backup in this place. Choose the folder that holds the backups.</source>
            <translation>이곳에는 백업이 없습니다. 백업이 있는 폴더를 고르세요.</translation>
        </message>
        <message>
            <source>This backup was made by a newer version of Quiet Page. Nothing was changed. Install that version first.</source>
            <translation>이 백업은 더 새로운 Quiet Page로 만들어졌습니다. 바뀐 것은 없습니다. 먼저 그 버전을 설치하세요.</translation>
        </message>
        <message>
            <source>Its encrypted file is cut short or too long.</source>
            <translation>암호화된 파일이 잘렸거나 너무 깁니다.</translation>
        </message>
        <message>
            <source>Its encrypted file is missing.</source>
            <translation>암호화된 파일이 없습니다.</translation>
        </message>
        <message>
            <source>Both copies of its key file are damaged.</source>
            <translation>열쇠 정보 파일이 두 벌 모두 손상되었습니다.</translation>
        </message>
        <message>
            <source>Its encrypted file is not as it was written.</source>
            <translation>암호화된 파일이 쓰인 그대로가 아닙니다.</translation>
        </message>
        <message>
            <source>Its content is not what it was.</source>
            <translation>내용이 원래와 다릅니다.</translation>
        </message>
        <message>
            <source>It cannot be read.</source>
            <translation>읽을 수 없습니다.</translation>
        </message>
        <message>
            <source>Its note is damaged.</source>
            <translation>백업 정보가 손상되었습니다.</translation>
        </message>
        <message>
            <source>This backup is damaged. Its encrypted file is not as it was written. Your journal is not touched. Choose another backup.</source>
            <translation>이 백업은 손상되었습니다. 암호화된 파일이 쓰인 그대로가 아닙니다. 일기는 그대로입니다. 다른 백업을 고르세요.</translation>
        </message>
        <message>
            <source>This backup is damaged. Its content is not what it was. Your journal is not touched. Choose another backup.</source>
            <translation>이 백업은 손상되었습니다. 내용이 원래와 다릅니다. 일기는 그대로입니다. 다른 백업을 고르세요.</translation>
        </message>
        <message>
            <source>This backup is damaged. Its encrypted file is missing. Your journal is not touched. Choose another backup.</source>
            <translation>이 백업은 손상되었습니다. 암호화된 파일이 없습니다. 일기는 그대로입니다. 다른 백업을 고르세요.</translation>
        </message>
        <message>
            <source>This is not a key file of Quiet Page. Nothing was changed. Choose the file that it made.</source>
            <translation>Quiet Page의 열쇠 파일이 아닙니다. 바뀐 것은 없습니다. Quiet Page가 만든 파일을 고르세요.</translation>
        </message>
        <message>
            <source>This key file is damaged. Nothing was changed. Use another copy of it, the passphrase or the recovery code.</source>
            <translation>이 열쇠 파일은 손상되었습니다. 바뀐 것은 없습니다. 다른 사본이나 암호, 복구 코드를 쓰세요.</translation>
        </message>
        <message>
            <source>This installation's SQLCipher lacks something the journal needs to stay private. Install Quiet Page again. Nothing was changed.</source>
            <translation>설치된 SQLCipher에 일기를 지키는 데 필요한 것이 없습니다. Quiet Page를 다시 설치하세요. 바뀐 것은 없습니다.</translation>
        </message>
        <message>
            <source>This installation lacks encryption (SQLCipher), so the journal stays closed.</source>
            <translation>설치된 프로그램에 암호화(SQLCipher)가 없어 일기를 열지 않습니다.</translation>
        </message>
        <message>
            <source>There is no journal in this place. Check the place, or make a new journal.</source>
            <translation>이곳에는 일기가 없습니다. 위치를 확인하거나 새 일기를 만드세요.</translation>
        </message>
        <message>
            <source>The key file of this journal is missing, so it cannot be opened. Nothing was changed. Put the file keys.json back from a backup.</source>
            <translation>이 일기의 열쇠 정보 파일이 없어 열 수 없습니다. 바뀐 것은 없습니다. 백업에서 keys.json 파일을 되돌려 놓으세요.</translation>
        </message>
        <message>
            <source>The journal file is missing; only its keys are here. Nothing was changed. Put the file journal.qpv back from a backup.</source>
            <translation>일기 파일이 없고 열쇠 정보만 있습니다. 바뀐 것은 없습니다. 백업에서 journal.qpv 파일을 되돌려 놓으세요.</translation>
        </message>
        <message>
            <source>The journal file is not encrypted, so it is not the one that Quiet Page made. Nothing was changed. Put the file journal.qpv back from a backup.</source>
            <translation>일기 파일이 암호화되어 있지 않아 Quiet Page가 만든 것이 아닙니다. 바뀐 것은 없습니다. 백업에서 journal.qpv 파일을 되돌려 놓으세요.</translation>
        </message>
        <message>
            <source>A file of this journal cannot be read. Nothing was changed. Check that the folder is yours to read, or restore it from a backup.</source>
            <translation>이 일기의 파일을 읽을 수 없습니다. 바뀐 것은 없습니다. 폴더를 읽을 권한이 있는지 확인하거나 백업에서 되살리세요.</translation>
        </message>
        <message>
            <source>This journal is open in another window or program. Nothing was changed. Close it there and try again.</source>
            <translation>이 일기는 다른 창이나 프로그램에서 열려 있습니다. 바뀐 것은 없습니다. 그쪽을 닫고 다시 해 보세요.</translation>
        </message>
        <message>
            <source>This is not a picture that can be kept (PNG, JPEG, WebP or GIF). Nothing was changed.</source>
            <translation>담을 수 있는 그림(PNG, JPEG, WebP, GIF)이 아닙니다. 바뀐 것은 없습니다.</translation>
        </message>
        <message>
            <source>This picture is larger than {0} MB. Make it smaller and add it again. Nothing was changed.</source>
            <translation>그림이 {0} MB보다 큽니다. 줄여서 다시 더하세요. 바뀐 것은 없습니다.</translation>
        </message>
        <message>
            <source>This entry is not in the journal any more.</source>
            <translation>이 글은 더 이상 일기에 없습니다.</translation>
        </message>
        <message>
            <source>There is no keyring on this computer that keeps secrets encrypted, so it cannot open the journal. Nothing was changed. The passphrase and the recovery code work as before.</source>
            <translation>이 컴퓨터에는 비밀을 암호화해 두는 키링이 없어 일기를 열 수 없습니다. 바뀐 것은 없습니다. 암호와 복구 코드는 전처럼 쓸 수 있습니다.</translation>
        </message>
        <message>
            <source>The key file of this journal is damaged, so it cannot be opened with any passphrase. Nothing was changed. Restore the file keys.json from a backup and try again.</source>
            <translation>이 일기의 열쇠 정보 파일이 손상되어 어떤 암호로도 열 수 없습니다. 바뀐 것은 없습니다. 백업에서 keys.json 파일을 되살리고 다시 해 보세요.</translation>
        </message>
        <message>
            <source>This journal remembers as many computers as it can. Remove one of them first.</source>
            <translation>이 일기는 더 많은 컴퓨터를 기억할 수 없습니다. 먼저 하나를 없애세요.</translation>
        </message>
        <message>
            <source>There is not enough free memory to open the journal. Close other programs and try again. Nothing was changed.</source>
            <translation>일기를 열 메모리가 모자랍니다. 다른 프로그램을 닫고 다시 해 보세요. 바뀐 것은 없습니다.</translation>
        </message>
        <message>
            <source>This journal was made by a newer version of Quiet Page. Nothing was changed. Install the newer version to open it.</source>
            <translation>이 일기는 더 새로운 Quiet Page로 만들어졌습니다. 바뀐 것은 없습니다. 새 버전을 설치하면 열 수 있습니다.</translation>
        </message>
        <message>
            <source>This journal was made by a newer version of Quiet Page. Nothing was changed. Install the newer version to rescue it.</source>
            <translation>이 일기는 더 새로운 Quiet Page로 만들어졌습니다. 바뀐 것은 없습니다. 새 버전을 설치하면 건져 낼 수 있습니다.</translation>
        </message>
        <message>
            <source>A stored reading of an entry cannot be understood. Nothing was changed; ask for a new reading.</source>
            <translation>저장된 읽기 결과 하나를 이해할 수 없습니다. 바뀐 것은 없습니다. 다시 읽게 하세요.</translation>
        </message>
        <message>
            <source>The newly encrypted journal is not equal to the old one, so it was thrown away. Nothing was changed. The disk may be failing: make a backup on another one.</source>
            <translation>새로 암호화한 일기가 원래와 달라서 버렸습니다. 바뀐 것은 없습니다. 디스크에 문제가 있을 수 있으니 다른 디스크에 백업하세요.</translation>
        </message>
        <message>
            <source>A new key needs the passphrase; the recovery code will be replaced. Nothing was changed.</source>
            <translation>새 열쇠를 만들려면 암호가 필요합니다. 복구 코드는 새것으로 바뀝니다. 바뀐 것은 없습니다.</translation>
        </message>
        <message>
            <source>There is not enough room for a newly encrypted copy of the journal. Nothing was changed. Free {0} MB and try again.</source>
            <translation>새로 암호화한 일기를 둘 공간이 모자랍니다. 바뀐 것은 없습니다. {0} MB를 비우고 다시 해 보세요.</translation>
        </message>
        <message>
            <source>Nothing of this journal can be read: it is too badly damaged, or it belongs to other keys. Nothing was changed. Keep the folder as it is, and restore a backup.</source>
            <translation>이 일기에서 읽을 수 있는 것이 없습니다. 너무 많이 손상되었거나 다른 열쇠의 것입니다. 바뀐 것은 없습니다. 폴더를 그대로 두고 백업을 되살리세요.</translation>
        </message>
        <message>
            <source>What was saved last, before the program was ended, is damaged. Nothing was changed. Everything that can be read of it can be rescued into a new journal.</source>
            <translation>프로그램이 끝나기 전에 마지막으로 저장한 것이 손상되었습니다. 바뀐 것은 없습니다. 읽을 수 있는 것은 모두 새 일기로 건져 낼 수 있습니다.</translation>
        </message>
        <message>
            <source>What is rescued must not lie inside the damaged journal. Nothing was changed. Choose another folder.</source>
            <translation>건져 낸 것을 손상된 일기 안에 둘 수 없습니다. 바뀐 것은 없습니다. 다른 폴더를 고르세요.</translation>
        </message>
        <message>
            <source>There is something in this place already. Nothing was changed. Choose an empty folder for what is rescued.</source>
            <translation>이곳에는 이미 무언가가 있습니다. 바뀐 것은 없습니다. 건져 낸 것을 둘 빈 폴더를 고르세요.</translation>
        </message>
        <message>
            <source>A journal needs a passphrase of at least one character.</source>
            <translation>일기에는 한 글자 이상의 암호가 필요합니다.</translation>
        </message>
        <message>
            <source>There is a journal in this place already. Nothing was changed. Open it instead.</source>
            <translation>이곳에는 이미 일기가 있습니다. 바뀐 것은 없습니다. 그 일기를 여세요.</translation>
        </message>
    </context>
</TS>
