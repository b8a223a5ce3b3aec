<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="ko_KR">
<context>
    <name>BackupList</name>
    <message>
        <source>There is no backup here yet.</source>
        <translation>여기에는 아직 백업이 없습니다.</translation>
    </message>
    <message>
        <source>Show all {0}</source>
        <translation>{0}개 모두 보기</translation>
    </message>
    <message>
        <source>Choose</source>
        <translation>고르기</translation>
    </message>
    <message>
        <source>Choose the backup of {0}, {1}, {2}</source>
        <translation>{0}의 백업 고르기, {1}, {2}</translation>
    </message>
</context>
<context>
    <name>Backups</name>
    <message>
        <source>an unknown day</source>
        <translation>알 수 없는 날</translation>
    </message>
    <message>
        <source>1 entry</source>
        <translation>글 1편</translation>
    </message>
    <message>
        <source>{0} entries</source>
        <translation>글 {0}편</translation>
    </message>
    <message>
        <source>pages {0} of {1}</source>
        <translation>{1}쪽 중 {0}쪽</translation>
    </message>
    <message>
        <source>page {0} of {1}</source>
        <translation>{1}쪽 중 {0}쪽</translation>
    </message>
    <message>
        <source>Damaged ({0})</source>
        <translation>손상됨 ({0})</translation>
    </message>
    <message>
        <source>Damaged.</source>
        <translation>손상됨.</translation>
    </message>
    <message>
        <source>Not proved yet</source>
        <translation>아직 확인하지 않음</translation>
    </message>
    <message>
        <source>Proved on {0}</source>
        <translation>{0}에 확인함</translation>
    </message>
    <message>
        <source>made by hand</source>
        <translation>직접 만듦</translation>
    </message>
    <message>
        <source>made before a restore</source>
        <translation>되살리기 전에 만듦</translation>
    </message>
    <message>
        <source>made before an update of Quiet Page</source>
        <translation>Quiet Page를 올리기 전에 만듦</translation>
    </message>
    <message>
        <source>{0} backups are damaged, the newest of them that of {1}. Your journal is not touched.</source>
        <translation>백업 {0}개가 손상되었습니다. 그중 가장 새 것은 {1}의 것입니다. 일기는 그대로입니다.</translation>
    </message>
    <message>
        <source>The backup of {0} is damaged ({1}). Your journal is not touched.</source>
        <translation>{0}의 백업이 손상되었습니다({1}). 일기는 그대로입니다.</translation>
    </message>
    <message>
        <source>The backup of {0} is damaged. Your journal is not touched.</source>
        <translation>{0}의 백업이 손상되었습니다. 일기는 그대로입니다.</translation>
    </message>
    <message>
        <source>The one from {0} is good.</source>
        <translation>{0}의 백업은 온전합니다.</translation>
    </message>
    <message>
        <source>There is no other; a new one is made at the next pause.</source>
        <translation>다른 백업은 없습니다. 글을 쉬는 사이에 새로 만듭니다.</translation>
    </message>
    <message>
        <source>A check found damage in the journal itself ({0}). Nothing was changed.</source>
        <translation>점검하다가 일기 자체에서 손상을 찾았습니다({0}). 바뀐 것은 없습니다.</translation>
    </message>
    <message>
        <source>A check found damage in the journal itself. Nothing was changed.</source>
        <translation>점검하다가 일기 자체에서 손상을 찾았습니다. 바뀐 것은 없습니다.</translation>
    </message>
    <message>
        <source>What you write is stored as before. The backup of {0} is good.</source>
        <translation>쓰는 글은 전처럼 저장됩니다. {0}의 백업은 온전합니다.</translation>
    </message>
    <message>
        <source>What you write is stored as before; no good backup was found.</source>
        <translation>쓰는 글은 전처럼 저장됩니다. 온전한 백업은 찾지 못했습니다.</translation>
    </message>
    <message>
        <source>The backup could not be made. Your journal is not touched.</source>
        <translation>백업을 만들 수 없었습니다. 일기는 그대로입니다.</translation>
    </message>
</context>
<context>
    <name>BackupsSection</name>
    <message>
        <source>Looking for backups…</source>
        <translation>백업을 찾는 중…</translation>
    </message>
    <message>
        <source>Made by itself once a day when something has changed, encrypted like the journal, and proved: each is restored into a scratch file and compared. Kept: the last seven days, then weeks, then months.</source>
        <translation>바뀐 것이 있으면 하루에 한 번 저절로 만듭니다. 일기처럼 암호화하고, 하나하나 임시 파일로 되살려 견주어 확인합니다. 지난 이레, 그다음은 주마다, 달마다 하나씩 남깁니다.</translation>
    </message>
    <message>
        <source>Back up now</source>
        <translation>지금 백업하기</translation>
    </message>
    <message>
        <source>Progress of the backup</source>
        <translation>백업 진행</translation>
    </message>
    <message>
        <source>Message</source>
        <translation>알림</translation>
    </message>
    <message>
        <source>Folder of the backups</source>
        <translation>백업 폴더</translation>
    </message>
    <message>
        <source>Choose another folder…</source>
        <translation>다른 폴더 고르기…</translation>
    </message>
    <message>
        <source>Keep them beside the journal</source>
        <translation>일기 곁에 두기</translation>
    </message>
    <message>
        <source>Open the folder</source>
        <translation>폴더 열기</translation>
    </message>
    <message>
        <source>The last good backup is of {0}. {1}.</source>
        <translation>마지막으로 온전한 백업은 {0}의 것입니다. {1}.</translation>
    </message>
    <message>
        <source>None of these backups is good. Your journal is not touched. Make one now.</source>
        <translation>온전한 백업이 없습니다. 일기는 그대로입니다. 지금 하나 만드세요.</translation>
    </message>
    <message>
        <source>There is no backup yet. The first one is made some minutes after you unlock, in a pause.</source>
        <translation>아직 백업이 없습니다. 일기를 열고 몇 분 뒤 글을 쉬는 사이에 처음 만듭니다.</translation>
    </message>
    <message>
        <source>{0} backups, {1} together.</source>
        <translation>백업 {0}개, 모두 {1}.</translation>
    </message>
    <message>
        <source>A backup is being made or checked just now. Try again in a minute.</source>
        <translation>지금 백업을 만들거나 점검하고 있습니다. 조금 뒤에 다시 해 보세요.</translation>
    </message>
    <message>
        <source>Keep backups in</source>
        <translation>백업을 둘 곳</translation>
    </message>
    <message>
        <source>New backups go there. The earlier ones stay where they are, and can be restored from there.</source>
        <translation>새 백업은 그곳에 둡니다. 이전 백업은 있던 곳에 그대로 있고, 거기에서 되살릴 수 있습니다.</translation>
    </message>
    <message>
        <source>This folder cannot be used. Nothing was changed.</source>
        <translation>이 폴더는 쓸 수 없습니다. 바뀐 것은 없습니다.</translation>
    </message>
</context>
<context>
    <name>Bands</name>
    <message>
        <source>quiet</source>
        <translation>잔잔함</translation>
    </message>
    <message>
        <source>some</source>
        <translation>조금</translation>
    </message>
    <message>
        <source>many</source>
        <translation>많음</translation>
    </message>
    <message>
        <source>not sure</source>
        <translation>잘 모르겠음</translation>
    </message>
    <message>
        <source>likely</source>
        <translation>아마</translation>
    </message>
    <message>
        <source>possible</source>
        <translation>어쩌면</translation>
    </message>
</context>
<context>
    <name>Builder</name>
    <message>
        <source>What I want to talk about</source>
        <translation>이야기하고 싶은 것</translation>
    </message>
    <message>
        <source>In my own words, for instance three things</source>
        <translation>나의 말로, 예를 들어 세 가지</translation>
    </message>
    <message>
        <source>Entries that I marked</source>
        <translation>표시해 둔 글</translation>
    </message>
    <message>
        <source>Mark an entry “for my therapist” and it is offered here.</source>
        <translation>글에 “상담사에게” 표시를 하면 여기에 나옵니다.</translation>
    </message>
    <message>
        <source>My own ratings</source>
        <translation>내가 매긴 점수</translation>
    </message>
    <message>
        <source>Mood, with a chart</source>
        <translation>기분, 그래프와 함께</translation>
    </message>
    <message>
        <source>What went worse</source>
        <translation>더 힘들었던 것</translation>
    </message>
    <message>
        <source>In my own words</source>
        <translation>나의 말로</translation>
    </message>
    <message>
        <source>Sentences to tick for what went worse</source>
        <translation>더 힘들었던 것으로 고를 문장</translation>
    </message>
    <message>
        <source>What helped</source>
        <translation>도움이 된 것</translation>
    </message>
    <message>
        <source>Sentences to tick for what helped</source>
        <translation>도움이 된 것으로 고를 문장</translation>
    </message>
    <message>
        <source>Safety</source>
        <translation>안전</translation>
    </message>
    <message>
        <source>Add a section on safety</source>
        <translation>안전에 관한 부분 넣기</translation>
    </message>
    <message>
        <source>In my own words, as much or as little as I like</source>
        <translation>나의 말로, 원하는 만큼만</translation>
    </message>
    <message>
        <source>Names to black out</source>
        <translation>가릴 이름</translation>
    </message>
    <message>
        <source>Names, with commas between</source>
        <translation>이름, 쉼표로 구분</translation>
    </message>
    <message>
        <source>Page 2</source>
        <translation>2쪽</translation>
    </message>
    <message>
        <source>Add estimates made by the model</source>
        <translation>모델이 추정한 내용 넣기</translation>
    </message>
    <message>
        <source>They describe words, may be wrong, and are marked as estimates. Off unless you want it.</source>
        <translation>글의 표현을 설명할 뿐이고 틀릴 수 있으며, 추정이라고 표시됩니다. 원하실 때만 켜집니다.</translation>
    </message>
    <message>
        <source>Share</source>
        <translation>나누기</translation>
    </message>
    <message>
        <source>A summary for a therapist, made only of what you tick.</source>
        <translation>상담사를 위한 요약입니다. 고른 것만 들어갑니다.</translation>
    </message>
    <message>
        <source>Which days</source>
        <translation>기간</translation>
    </message>
    <message>
        <source>How far back</source>
        <translation>언제부터</translation>
    </message>
    <message>
        <source>The last week</source>
        <translation>지난 한 주</translation>
    </message>
    <message>
        <source>The last two weeks</source>
        <translation>지난 두 주</translation>
    </message>
    <message>
        <source>The last four weeks</source>
        <translation>지난 네 주</translation>
    </message>
    <message>
        <source>The last three months</source>
        <translation>지난 세 달</translation>
    </message>
    <message>
        <source>The last six months</source>
        <translation>지난 여섯 달</translation>
    </message>
    <message>
        <source>Other dates</source>
        <translation>다른 날짜</translation>
    </message>
    <message>
        <source>First day</source>
        <translation>첫날</translation>
    </message>
    <message>
        <source>Last day</source>
        <translation>마지막 날</translation>
    </message>
    <message>
        <source>d MMM yyyy</source>
        <translation>yyyy년 M월 d일</translation>
    </message>
</context>
<context>
    <name>ChartCard</name>
    <message>
        <source>More for this chart</source>
        <translation>이 그래프 더 보기</translation>
    </message>
    <message>
        <source>estimated from your words</source>
        <translation>글에서 추정</translation>
    </message>
    <message>
        <source>noted by you</source>
        <translation>직접 적음</translation>
    </message>
    <message>
        <source>Click a day to open it</source>
        <translation>날을 누르면 열립니다</translation>
    </message>
    <message>
        <source>Show as a table</source>
        <translation>표로 보기</translation>
    </message>
    <message>
        <source>Save as PNG…</source>
        <translation>PNG로 저장…</translation>
    </message>
    <message>
        <source>Save as SVG…</source>
        <translation>SVG로 저장…</translation>
    </message>
    <message>
        <source>Save the data as CSV…</source>
        <translation>자료를 CSV로 저장…</translation>
    </message>
    <message>
        <source>Copy the picture</source>
        <translation>그림 복사</translation>
    </message>
    <message>
        <source>Save a chart, readable by anyone who has the file</source>
        <translation>그래프 저장 (파일을 가진 사람은 누구나 읽을 수 있음)</translation>
    </message>
    <message>
        <source>Copied. Other programs can read the clipboard until something else is copied.</source>
        <translation>복사했습니다. 다른 것을 복사할 때까지 다른 프로그램이 클립보드를 읽을 수 있습니다.</translation>
    </message>
    <message>
        <source>no data</source>
        <translation>자료 없음</translation>
    </message>
    <message>
        <source>Saved. The file is not encrypted.</source>
        <translation>저장했습니다. 이 파일은 암호화되어 있지 않습니다.</translation>
    </message>
    <message>
        <source>This chart could not be drawn. Your journal is not touched.</source>
        <translation>그래프를 그릴 수 없었습니다. 일기는 그대로입니다.</translation>
    </message>
</context>
<context>
    <name>CodePages</name>
    <message>
        <source>Group {0}: {1}</source>
        <translation>{0}번째 묶음: {1}</translation>
    </message>
    <message>
        <source>Group {0}</source>
        <translation>{0}번째 묶음</translation>
    </message>
    <message>
        <source>Your recovery code</source>
        <translation>복구 코드</translation>
    </message>
    <message>
        <source>It opens the journal if you forget the passphrase. Write it on paper and keep it away from this computer. It is shown only now.</source>
        <translation>암호를 잊었을 때 일기를 엽니다. 종이에 적어 이 컴퓨터와 떨어진 곳에 두세요. 지금 한 번만 보입니다.</translation>
    </message>
    <message>
        <source>Copy</source>
        <translation>복사</translation>
    </message>
    <message>
        <source>Save to a file</source>
        <translation>파일로 저장</translation>
    </message>
    <message>
        <source>Print</source>
        <translation>인쇄</translation>
    </message>
    <message>
        <source>I have written it down</source>
        <translation>적어 두었습니다</translation>
    </message>
    <message>
        <source>Copied. The clipboard is emptied in 30 seconds.</source>
        <translation>복사했습니다. 30초 뒤에 클립보드를 비웁니다.</translation>
    </message>
    <message>
        <source>Save the recovery code</source>
        <translation>복구 코드 저장</translation>
    </message>
    <message>
        <source>quiet-page-recovery-code.txt</source>
        <translation>quiet-page-recovery-code.txt</translation>
    </message>
    <message>
        <source>Saved. Whoever has this file can open the journal: move it to a safe place away from here.</source>
        <translation>저장했습니다. 이 파일을 가진 사람은 일기를 열 수 있습니다. 다른 안전한 곳으로 옮겨 두세요.</translation>
    </message>
    <message>
        <source>Printing does not work on this computer. Save the code to a file instead.</source>
        <translation>이 컴퓨터에서는 인쇄할 수 없습니다. 대신 코드를 파일로 저장하세요.</translation>
    </message>
    <message>
        <source>There is no printer on this computer. Write the code down, or save it.</source>
        <translation>이 컴퓨터에는 프린터가 없습니다. 코드를 적거나 저장하세요.</translation>
    </message>
    <message>
        <source>It could not be printed. Nothing was lost; write the code down, or save it.</source>
        <translation>인쇄하지 못했습니다. 잃은 것은 없습니다. 코드를 적거나 저장하세요.</translation>
    </message>
    <message>
        <source>Whoever has this sheet can open the journal: keep it in a safe place.</source>
        <translation>이 종이를 가진 사람은 일기를 열 수 있습니다. 안전한 곳에 두세요.</translation>
    </message>
    <message>
        <source>Sent to the printer. Take the sheet to a safe place away from this computer.</source>
        <translation>프린터로 보냈습니다. 종이를 이 컴퓨터와 떨어진 안전한 곳에 두세요.</translation>
    </message>
    <message>
        <source>Two groups, to be sure</source>
        <translation>확인을 위해 두 묶음</translation>
    </message>
    <message>
        <source>Type these two groups of the recovery code from your paper.</source>
        <translation>종이에 적은 복구 코드에서 이 두 묶음을 입력하세요.</translation>
    </message>
    <message>
        <source>Show the code again</source>
        <translation>코드 다시 보기</translation>
    </message>
    <message>
        <source>Group {0} is not the same. Look at it once more.</source>
        <translation>{0}번째 묶음이 다릅니다. 한 번 더 살펴보세요.</translation>
    </message>
</context>
<context>
    <name>Days</name>
    <message>
        <source>Calendar</source>
        <translation>달력</translation>
    </message>
    <message>
        <source>{0}: nothing written</source>
        <translation>{0}: 쓴 글 없음</translation>
    </message>
    <message>
        <source>1 entry</source>
        <translation>글 1편</translation>
    </message>
    <message>
        <source>{0} entries</source>
        <translation>글 {0}편</translation>
    </message>
</context>
<context>
    <name>Editor</name>
    <message>
        <source>The page</source>
        <translation>쓰는 곳</translation>
    </message>
</context>
<context>
    <name>EntryDelegate</name>
    <message>
        <source>No words yet</source>
        <translation>아직 글이 없음</translation>
    </message>
</context>
<context>
    <name>EntryList</name>
    <message>
        <source>Entries</source>
        <translation>글 목록</translation>
    </message>
</context>
<context>
    <name>EntryView</name>
    <message>
        <source>The journal cannot be written now.</source>
        <translation>지금은 일기를 저장할 수 없습니다.</translation>
    </message>
    <message>
        <source>Your words are kept here and are stored as soon as it works again. Free some disk space.</source>
        <translation>쓰신 글은 여기에 그대로 있고, 다시 되는 대로 저장됩니다. 디스크 공간을 조금 비워 주세요.</translation>
    </message>
    <message>
        <source>not saved yet</source>
        <translation>아직 저장 안 됨</translation>
    </message>
    <message>
        <source>Change the date or time</source>
        <translation>날짜나 시간 바꾸기</translation>
    </message>
    <message>
        <source>Date</source>
        <translation>날짜</translation>
    </message>
    <message>
        <source>Time</source>
        <translation>시간</translation>
    </message>
    <message>
        <source>Done</source>
        <translation>완료</translation>
    </message>
    <message>
        <source>Saved or not</source>
        <translation>저장 상태</translation>
    </message>
    <message>
        <source>More for this entry</source>
        <translation>이 글 더 보기</translation>
    </message>
    <message>
        <source>Mark for my therapist</source>
        <translation>상담사에게 보일 글로 표시</translation>
    </message>
    <message>
        <source>Don&apos;t read this one</source>
        <translation>이 글은 읽지 않기</translation>
    </message>
    <message>
        <source>Move to the bin</source>
        <translation>휴지통으로</translation>
    </message>
    <message>
        <source>My mood</source>
        <translation>나의 기분</translation>
    </message>
    <message>
        <source>+ energy</source>
        <translation>+ 기운</translation>
    </message>
    <message>
        <source>How much energy</source>
        <translation>기운이 얼마나 있는지</translation>
    </message>
    <message>
        <source>add a tag</source>
        <translation>태그 더하기</translation>
    </message>
    <message>
        <source>Add a tag</source>
        <translation>태그 더하기</translation>
    </message>
    <message>
        <source>My mood: {0}</source>
        <translation>나의 기분: {0}</translation>
    </message>
    <message>
        <source>Write what is on your mind</source>
        <translation>마음에 있는 것을 적어 보세요</translation>
    </message>
    <message>
        <source>writing</source>
        <translation>쓰는 중</translation>
    </message>
    <message>
        <source>saved</source>
        <translation>저장됨</translation>
    </message>
    <message>
        <source>optional</source>
        <translation>선택</translation>
    </message>
    <message>
        <source>not given</source>
        <translation>적지 않음</translation>
    </message>
    <message>
        <source>Remove the tag {0}</source>
        <translation>태그 {0} 지우기</translation>
    </message>
    <message>
        <source>1 word</source>
        <translation>1단어</translation>
    </message>
    <message>
        <source>{0} words</source>
        <translation>{0}단어</translation>
    </message>
</context>
<context>
    <name>Exported</name>
    <message>
        <source>There is no room left there, so nothing was written. Your journal is not touched. Free some space or choose another place, then save again.</source>
        <translation>그곳에 남은 공간이 없어 아무것도 저장하지 않았습니다. 일기는 그대로입니다. 공간을 비우거나 다른 곳을 골라 다시 저장해 주세요.</translation>
    </message>
    <message>
        <source>That folder does not take new files, so nothing was written. Your journal is not touched. Choose another folder and save again.</source>
        <translation>그 폴더에는 새 파일을 넣을 수 없어 아무것도 저장하지 않았습니다. 일기는 그대로입니다. 다른 폴더를 골라 다시 저장해 주세요.</translation>
    </message>
    <message>
        <source>That folder is not there any more, so nothing was written. Your journal is not touched. Choose another folder and save again.</source>
        <translation>그 폴더가 이제 없어 아무것도 저장하지 않았습니다. 일기는 그대로입니다. 다른 폴더를 골라 다시 저장해 주세요.</translation>
    </message>
    <message>
        <source>This could not be written there. Nothing half-written is left, and your journal is not touched. Try another folder.</source>
        <translation>그곳에는 저장할 수 없었습니다. 쓰다 만 파일은 남지 않았고, 일기는 그대로입니다. 다른 폴더를 골라 보세요.</translation>
    </message>
</context>
<context>
    <name>Feelings</name>
    <message>
        <source>joy</source>
        <translation>기쁨</translation>
    </message>
    <message>
        <source>excitement</source>
        <translation>설렘</translation>
    </message>
    <message>
        <source>gratitude</source>
        <translation>고마움</translation>
    </message>
    <message>
        <source>love</source>
        <translation>사랑</translation>
    </message>
    <message>
        <source>pride</source>
        <translation>뿌듯함</translation>
    </message>
    <message>
        <source>calm</source>
        <translation>평온</translation>
    </message>
    <message>
        <source>hope</source>
        <translation>희망</translation>
    </message>
    <message>
        <source>surprise</source>
        <translation>놀람</translation>
    </message>
    <message>
        <source>sadness</source>
        <translation>슬픔</translation>
    </message>
    <message>
        <source>loneliness</source>
        <translation>외로움</translation>
    </message>
    <message>
        <source>anxiety</source>
        <translation>불안</translation>
    </message>
    <message>
        <source>anger</source>
        <translation>화</translation>
    </message>
    <message>
        <source>disgust</source>
        <translation>역겨움</translation>
    </message>
    <message>
        <source>shame</source>
        <translation>부끄러움</translation>
    </message>
    <message>
        <source>guilt</source>
        <translation>죄책감</translation>
    </message>
    <message>
        <source>tiredness</source>
        <translation>피로</translation>
    </message>
</context>
<context>
    <name>FirstRunPage</name>
    <message>
        <source>Quiet Page</source>
        <translation>Quiet Page</translation>
    </message>
    <message>
        <source>A journal for you alone, on this computer. Everything is encrypted before it reaches the disk, and nothing leaves the computer unless you export it. A small model reads your entries here and shows what it sees; you can correct it, and you can switch it off.</source>
        <translation>이 컴퓨터에만 있는, 나만을 위한 일기입니다. 모든 글은 디스크에 닿기 전에 암호화되고, 직접 내보내지 않는 한 아무것도 컴퓨터를 떠나지 않습니다. 작은 모델이 여기에서 글을 읽고 보이는 것을 알려 줍니다. 고칠 수도 있고, 꺼 둘 수도 있습니다.</translation>
    </message>
    <message>
        <source>It is not a medical device and makes no diagnosis. Its estimates may be wrong: the model learned from public posts, which are not diaries.</source>
        <translation>의료 기기가 아니며 진단하지 않습니다. 추정은 틀릴 수 있습니다. 모델은 일기가 아닌 공개된 글로 배웠습니다.</translation>
    </message>
    <message>
        <source>Language</source>
        <translation>언어</translation>
    </message>
    <message>
        <source>Begin</source>
        <translation>시작하기</translation>
    </message>
    <message>
        <source>Try it with a sample journal</source>
        <translation>예시 일기로 둘러보기</translation>
    </message>
    <message>
        <source>Restore a backup</source>
        <translation>백업 되살리기</translation>
    </message>
    <message>
        <source>Help lines</source>
        <translation>도움 전화</translation>
    </message>
    <message>
        <source>Making the sample…</source>
        <translation>예시를 만드는 중…</translation>
    </message>
    <message>
        <source>Choose a passphrase</source>
        <translation>암호 정하기</translation>
    </message>
    <message>
        <source>It is the only key to your journal, with the recovery code that comes next. Nobody can reset it. Four or more words that do not belong together are easy to remember and hard to guess.</source>
        <translation>다음에 나올 복구 코드와 함께 일기를 여는 유일한 열쇠입니다. 아무도 다시 설정해 드릴 수 없습니다. 서로 관련 없는 낱말 네 개 이상이면 외우기 쉽고 맞히기 어렵습니다.</translation>
    </message>
    <message>
        <source>Passphrase</source>
        <translation>암호</translation>
    </message>
    <message>
        <source>The same again</source>
        <translation>한 번 더</translation>
    </message>
    <message>
        <source>The same passphrase again</source>
        <translation>같은 암호 한 번 더</translation>
    </message>
    <message>
        <source>Strength of the passphrase</source>
        <translation>암호의 세기</translation>
    </message>
    <message>
        <source>Show what I type</source>
        <translation>입력한 글자 보기</translation>
    </message>
    <message>
        <source>Make my journal</source>
        <translation>일기 만들기</translation>
    </message>
    <message>
        <source>Back</source>
        <translation>뒤로</translation>
    </message>
    <message>
        <source>Hide what I type</source>
        <translation>입력한 글자 숨기기</translation>
    </message>
    <message>
        <source>Very easy to guess. Somebody who has this computer could open the journal in minutes.</source>
        <translation>아주 쉽게 맞힐 수 있습니다. 이 컴퓨터를 가진 사람이 몇 분 만에 일기를 열 수 있습니다.</translation>
    </message>
    <message>
        <source>Easy to guess. It keeps out a curious look, not a program that tries many passphrases.</source>
        <translation>맞히기 쉽습니다. 호기심 어린 눈길은 막지만, 암호를 많이 시도하는 프로그램은 막지 못합니다.</translation>
    </message>
    <message>
        <source>It holds for a while. One or two more words would make it much stronger.</source>
        <translation>얼마간 버팁니다. 낱말을 한두 개 더하면 훨씬 강해집니다.</translation>
    </message>
    <message>
        <source>Good. Hard to guess.</source>
        <translation>좋습니다. 맞히기 어렵습니다.</translation>
    </message>
    <message>
        <source>Strong.</source>
        <translation>강합니다.</translation>
    </message>
    <message>
        <source>Type a passphrase first.</source>
        <translation>먼저 암호를 입력하세요.</translation>
    </message>
    <message>
        <source>The two are not the same. Type the passphrase again.</source>
        <translation>두 암호가 다릅니다. 다시 입력하세요.</translation>
    </message>
    <message>
        <source>Open my journal</source>
        <translation>일기 열기</translation>
    </message>
</context>
<context>
    <name>Grounding</name>
    <message>
        <source>A grounding exercise</source>
        <translation>마음을 가라앉히는 연습</translation>
    </message>
    <message>
        <source>Put both feet on the floor. Let your breath go out slowly, longer than it came in.</source>
        <translation>두 발을 바닥에 대세요. 들이쉰 것보다 길게, 천천히 숨을 내쉬세요.</translation>
    </message>
    <message>
        <source>Look around and name five things that you can see.</source>
        <translation>둘러보고 눈에 보이는 것 다섯 가지를 말해 보세요.</translation>
    </message>
    <message>
        <source>Touch four things, and notice what each one feels like.</source>
        <translation>네 가지를 만져 보고 각각 어떤 느낌인지 알아차려 보세요.</translation>
    </message>
    <message>
        <source>Listen for three sounds, near or far.</source>
        <translation>가까이든 멀리든 들리는 소리 세 가지에 귀를 기울여 보세요.</translation>
    </message>
    <message>
        <source>Find two things that you can smell, and one that you can taste.</source>
        <translation>냄새 두 가지, 맛 한 가지를 찾아보세요.</translation>
    </message>
    <message>
        <source>Notice that you are here, in this room, at this hour. You can begin again as often as you like.</source>
        <translation>지금 이 시간, 이 방에 있다는 것을 알아차려 보세요. 언제든 다시 시작할 수 있습니다.</translation>
    </message>
</context>
<context>
    <name>Help</name>
    <message>
        <source>The list of help lines cannot be read on this computer. If you or somebody near you is in danger now, call your local emergency number, or go to somebody you trust.</source>
        <translation>이 컴퓨터에서 도움 전화 목록을 읽을 수 없습니다. 나 또는 가까운 사람이 지금 위험하다면 지역 응급 전화에 거시거나, 믿는 사람에게 가세요.</translation>
    </message>
</context>
<context>
    <name>HelpLines</name>
    <message>
        <source>Source: {0}</source>
        <translation>출처: {0}</translation>
    </message>
    <message>
        <source>24 hours, every day</source>
        <translation>매일 24시간</translation>
    </message>
</context>
<context>
    <name>HelpPage</name>
    <message>
        <source>Back</source>
        <translation>뒤로</translation>
    </message>
    <message>
        <source>Help lines</source>
        <translation>도움 전화</translation>
    </message>
    <message>
        <source>If you or somebody near you is in danger now, call your local emergency number. The people on these lines talk with others about hard moments every day; there is no wrong way to begin.</source>
        <translation>나 또는 가까운 사람이 지금 위험하다면 지역 응급 전화에 거세요. 이 전화를 받는 분들은 날마다 힘든 순간에 대해 이야기를 나눕니다. 어떻게 시작해도 괜찮습니다.</translation>
    </message>
    <message>
        <source>Country</source>
        <translation>나라</translation>
    </message>
    <message>
        <source>My own people and numbers</source>
        <translation>나의 사람들과 번호</translation>
    </message>
    <message>
        <source>A friend, a doctor, a line that you know</source>
        <translation>친구, 의사, 아는 상담 전화</translation>
    </message>
    <message>
        <source>Kept inside the encrypted journal and shown on the help panel.</source>
        <translation>암호화된 일기 안에 두고 도움 칸에 보여 줍니다.</translation>
    </message>
</context>
<context>
    <name>HelpPanel</name>
    <message>
        <source>A way to help</source>
        <translation>도움을 받는 길</translation>
    </message>
    <message>
        <source>Some words here sound heavy. Help is here if you want it.</source>
        <translation>여기 적힌 말이 무겁게 들립니다. 원하시면 도움이 여기 있습니다.</translation>
    </message>
    <message>
        <source>My own people and numbers</source>
        <translation>나의 사람들과 번호</translation>
    </message>
    <message>
        <source>Nothing was sent to anyone. You can go on writing.</source>
        <translation>아무에게도 보내지 않았습니다. 계속 쓰셔도 됩니다.</translation>
    </message>
    <message>
        <source>All help lines</source>
        <translation>모든 도움 전화</translation>
    </message>
    <message>
        <source>This is not about me now</source>
        <translation>지금 내 이야기가 아닙니다</translation>
    </message>
    <message>
        <source>Hide for this entry</source>
        <translation>이 글에서는 숨기기</translation>
    </message>
    <message>
        <source>Understood. If that changes, help is here.</source>
        <translation>알겠습니다. 달라지면, 도움은 여기에 있습니다.</translation>
    </message>
    <message>
        <source>Help lines</source>
        <translation>도움 전화</translation>
    </message>
</context>
<context>
    <name>InsightsPage</name>
    <message>
        <source>Insights</source>
        <translation>돌아보기</translation>
    </message>
    <message>
        <source>Week</source>
        <translation>주</translation>
    </message>
    <message>
        <source>Month</source>
        <translation>달</translation>
    </message>
    <message>
        <source>Quarter</source>
        <translation>분기</translation>
    </message>
    <message>
        <source>Year</source>
        <translation>해</translation>
    </message>
    <message>
        <source>All</source>
        <translation>전체</translation>
    </message>
    <message>
        <source>Period: {name}</source>
        <translation>기간: {name}</translation>
    </message>
    <message>
        <source>Estimates describe words, not a person. They may be wrong and are not a diagnosis.</source>
        <translation>추정은 글의 표현을 말할 뿐, 사람을 말하지 않습니다. 틀릴 수 있으며 진단이 아닙니다.</translation>
    </message>
    <message>
        <source>Your own mood is two clicks under an entry. Feelings, stress and low-mood signs are read from your words on this computer, and every one of them can be corrected.</source>
        <translation>나의 기분은 글 아래에서 두 번만 누르면 남길 수 있습니다. 감정, 스트레스, 가라앉은 기분의 표현은 이 컴퓨터에서 글을 읽어 찾은 것이며, 모두 고칠 수 있습니다.</translation>
    </message>
    <message>
        <source>Show everything</source>
        <translation>모두 보기</translation>
    </message>
    <message>
        <source>Nothing was written in these days. A longer period may show more.</source>
        <translation>이 기간에는 쓴 글이 없습니다. 기간을 늘리면 더 보일 수 있습니다.</translation>
    </message>
    <message>
        <source>Nothing here yet. Write a few days and this page will fill.</source>
        <translation>아직 아무것도 없습니다. 며칠 쓰다 보면 이 자리가 채워집니다.</translation>
    </message>
    <message>
        <source>This page could not be filled. Your journal is not touched. Come back later.</source>
        <translation>이 자리를 채울 수 없었습니다. 일기는 그대로입니다. 나중에 다시 와 주세요.</translation>
    </message>
    <message>
        <source>The last seven days</source>
        <translation>지난 7일</translation>
    </message>
    <message>
        <source>The last thirty days</source>
        <translation>지난 30일</translation>
    </message>
    <message>
        <source>The last three months</source>
        <translation>지난 세 달</translation>
    </message>
    <message>
        <source>The last year</source>
        <translation>지난 한 해</translation>
    </message>
    <message>
        <source>Since {date}</source>
        <translation>{date}부터</translation>
    </message>
</context>
<context>
    <name>JournalPage</name>
    <message>
        <source>This entry cannot be read: a part of the journal is damaged. Nothing was changed, and what you write is stored as before.</source>
        <translation>일기의 일부가 손상되어 이 글을 읽을 수 없습니다. 바뀐 것은 없고, 쓰는 글은 전처럼 저장됩니다.</translation>
    </message>
    <message>
        <source>Search</source>
        <translation>찾기</translation>
    </message>
    <message>
        <source>Search the journal</source>
        <translation>일기에서 찾기</translation>
    </message>
    <message>
        <source>New entry (Ctrl+N)</source>
        <translation>새 글 (Ctrl+N)</translation>
    </message>
    <message>
        <source>Nothing here yet. The first entry begins with the first word you type.</source>
        <translation>아직 아무것도 없습니다. 첫 낱말을 쓰면 첫 글이 시작됩니다.</translation>
    </message>
    <message>
        <source>Calendar and list</source>
        <translation>달력과 목록</translation>
    </message>
    <message>
        <source>Reading panel (F9)</source>
        <translation>읽기 칸 (F9)</translation>
    </message>
    <message>
        <source>Moved to the bin. It is kept there for 30 days.</source>
        <translation>휴지통으로 옮겼습니다. 30일 동안 그곳에 있습니다.</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>되돌리기</translation>
    </message>
    <message>
        <source>No entry has these words.</source>
        <translation>이 말이 들어간 글이 없습니다.</translation>
    </message>
    <message>
        <source>1 entry</source>
        <translation>글 1편</translation>
    </message>
    <message>
        <source>{0} entries</source>
        <translation>글 {0}편</translation>
    </message>
    <message>
        <source>The search did not work. Nothing was changed; try again.</source>
        <translation>찾기가 되지 않았습니다. 바뀐 것은 없습니다. 다시 해 보세요.</translation>
    </message>
</context>
<context>
    <name>MainWindow</name>
    <message>
        <source>Quiet Page</source>
        <translation>Quiet Page</translation>
    </message>
</context>
<context>
    <name>Merged</name>
    <message>
        <source>Another copy of this journal lies beside it and could not be joined. It is kept as it is. If it is still being copied, it is joined at a later unlock.</source>
        <translation>이 일기의 다른 사본이 곁에 있지만 합칠 수 없었습니다. 그대로 두었습니다. 아직 복사되는 중이라면 다음에 열 때 합칩니다.</translation>
    </message>
    <message>
        <source>{0} added</source>
        <translation>{0} 더함</translation>
    </message>
    <message>
        <source>{0} joined</source>
        <translation>{0} 합침</translation>
    </message>
    <message>
        <source>{0} brought up to date</source>
        <translation>{0} 새로 고침</translation>
    </message>
    <message>
        <source>they held the same entries</source>
        <translation>담긴 글이 같았습니다</translation>
    </message>
    <message>
        <source>Copies of this journal were joined: {0}. Another one could not be joined yet; it is kept as it is.</source>
        <translation>이 일기의 사본들을 합쳤습니다: {0}. 아직 합치지 못한 사본은 그대로 두었습니다.</translation>
    </message>
    <message>
        <source>Copies of this journal were joined: {0}. Nothing was left out.</source>
        <translation>이 일기의 사본들을 합쳤습니다: {0}. 빠진 것은 없습니다.</translation>
    </message>
</context>
<context>
    <name>MonthView</name>
    <message>
        <source>Month before</source>
        <translation>이전 달</translation>
    </message>
    <message>
        <source>Month after</source>
        <translation>다음 달</translation>
    </message>
</context>
<context>
    <name>Mood</name>
    <message>
        <source>very low</source>
        <translation>아주 가라앉음</translation>
    </message>
    <message>
        <source>low</source>
        <translation>가라앉음</translation>
    </message>
    <message>
        <source>in between</source>
        <translation>보통</translation>
    </message>
    <message>
        <source>good</source>
        <translation>좋음</translation>
    </message>
    <message>
        <source>very good</source>
        <translation>아주 좋음</translation>
    </message>
    <message>
        <source>no energy</source>
        <translation>기운 없음</translation>
    </message>
    <message>
        <source>little energy</source>
        <translation>기운 적음</translation>
    </message>
    <message>
        <source>some energy</source>
        <translation>기운 보통</translation>
    </message>
    <message>
        <source>a good deal of energy</source>
        <translation>기운 많음</translation>
    </message>
    <message>
        <source>full of energy</source>
        <translation>기운 넘침</translation>
    </message>
</context>
<context>
    <name>NoteBar</name>
    <message>
        <source>Note: {0}</source>
        <translation>알림: {0}</translation>
    </message>
    <message>
        <source>Put away</source>
        <translation>접어 두기</translation>
    </message>
</context>
<context>
    <name>PageView</name>
    <message>
        <source>Page of the summary</source>
        <translation>요약 쪽</translation>
    </message>
</context>
<context>
    <name>Places</name>
    <message>
        <source>Journal</source>
        <translation>일기</translation>
    </message>
    <message>
        <source>Insights</source>
        <translation>돌아보기</translation>
    </message>
    <message>
        <source>Companion</source>
        <translation>말벗</translation>
    </message>
    <message>
        <source>Check-ins</source>
        <translation>살피기</translation>
    </message>
    <message>
        <source>Exercises</source>
        <translation>연습</translation>
    </message>
    <message>
        <source>Share</source>
        <translation>나누기</translation>
    </message>
    <message>
        <source>Settings</source>
        <translation>설정</translation>
    </message>
    <message>
        <source>Help lines</source>
        <translation>도움 전화</translation>
    </message>
</context>
<context>
    <name>ReadingPanel</name>
    <message>
        <source>Reading</source>
        <translation>읽기</translation>
    </message>
    <message>
        <source>Fold the reading panel (F9)</source>
        <translation>읽기 칸 접기 (F9)</translation>
    </message>
    <message>
        <source>An estimate about this text, not about you. Not a diagnosis, not a medical device. It may be wrong: the model learned from public posts, which are not diaries.</source>
        <translation>이 글에 대한 추정이며, 나에 대한 것이 아닙니다. 진단이 아니고 의료 기기도 아닙니다. 틀릴 수 있습니다. 모델은 일기가 아닌 공개된 글로 배웠습니다.</translation>
    </message>
    <message>
        <source>When you pause, what the reading finds appears here. There is no hurry.</source>
        <translation>잠시 멈추면 읽은 내용이 여기에 나타납니다. 서두르지 않아도 됩니다.</translation>
    </message>
    <message>
        <source>Reading is off. You can switch it on in Settings.</source>
        <translation>읽기가 꺼져 있습니다. 설정에서 켤 수 있습니다.</translation>
    </message>
    <message>
        <source>This entry is not read, as you asked.</source>
        <translation>부탁하신 대로 이 글은 읽지 않습니다.</translation>
    </message>
    <message>
        <source>A rescued copy is not read by the model.</source>
        <translation>건져 낸 사본은 모델이 읽지 않습니다.</translation>
    </message>
    <message>
        <source>No model is installed, so nothing is estimated. Your writing is not affected.</source>
        <translation>설치된 모델이 없어 아무것도 추정하지 않습니다. 글쓰기에는 영향이 없습니다.</translation>
    </message>
    <message>
        <source>This entry waits to be read.</source>
        <translation>이 글은 읽히기를 기다리고 있습니다.</translation>
    </message>
    <message>
        <source>There are too few words here to read anything into them.</source>
        <translation>무언가를 읽어 내기에는 글이 너무 짧습니다.</translation>
    </message>
    <message>
        <source>The model does not read this language, so it says nothing about this entry.</source>
        <translation>모델이 이 언어를 읽지 못하므로, 이 글에 대해서는 아무 말도 하지 않습니다.</translation>
    </message>
    <message>
        <source>The reading does not work now: {0} Your writing is not affected.</source>
        <translation>지금은 읽기가 되지 않습니다: {0} 글쓰기에는 영향이 없습니다.</translation>
    </message>
    <message>
        <source>Of what you wrote before; it is read again when you pause.</source>
        <translation>앞서 쓰신 글에 대한 것입니다. 잠시 멈추면 다시 읽습니다.</translation>
    </message>
    <message>
        <source>Feelings in this text</source>
        <translation>이 글에 담긴 감정</translation>
    </message>
    <message>
        <source>fits</source>
        <translation>맞음</translation>
    </message>
    <message>
        <source>yours</source>
        <translation>직접 더함</translation>
    </message>
    <message>
        <source>Nothing stands out here.</source>
        <translation>두드러지는 것이 없습니다.</translation>
    </message>
    <message>
        <source>Add a feeling</source>
        <translation>감정 더하기</translation>
    </message>
    <message>
        <source>Stress</source>
        <translation>스트레스</translation>
    </message>
    <message>
        <source>Low-mood signs</source>
        <translation>가라앉은 기분의 표현</translation>
    </message>
    <message>
        <source>A thought to keep</source>
        <translation>간직할 생각</translation>
    </message>
    <message>
        <source>you say no</source>
        <translation>아니라고 하심</translation>
    </message>
    <message>
        <source>This entry uses language often found in stressed posts (estimate {0:.2f}, {1}).</source>
        <translation>이 글에는 스트레스를 말하는 글에서 자주 보이는 표현이 있습니다 (추정 {0:.2f}, {1}).</translation>
    </message>
    <message>
        <source>This entry uses language often found in posts about low mood (estimate {0:.2f}, {1}).</source>
        <translation>이 글에는 가라앉은 기분을 말하는 글에서 자주 보이는 표현이 있습니다 (추정 {0:.2f}, {1}).</translation>
    </message>
    <message>
        <source>It may be worth talking about with someone you trust.</source>
        <translation>믿을 수 있는 사람과 이야기해 보아도 좋겠습니다.</translation>
    </message>
    <message>
        <source>quite sure</source>
        <translation>꽤 확실함</translation>
    </message>
    <message>
        <source>fairly sure</source>
        <translation>어느 정도 확실함</translation>
    </message>
    <message>
        <source>not very sure</source>
        <translation>그다지 확실하지 않음</translation>
    </message>
    <message>
        <source>Read by {0} on this computer in {1:.2f} s. A feeling&apos;s number says how sure the model is, from 0 to 1; each feeling has a number of its own from which it is shown. Point at a row to see the sentences behind it. Click a row to say whether it fits: your word stands.</source>
        <translation>{0} 모델이 이 컴퓨터에서 {1:.2f}초 만에 읽었습니다. 감정 옆의 숫자는 모델이 얼마나 확신하는지를 0에서 1 사이로 말합니다. 감정마다 표시되기 시작하는 숫자가 다릅니다. 줄을 가리키면 근거가 된 문장이 보이고, 누르면 맞는지 말할 수 있습니다. 당신의 말이 우선입니다.</translation>
    </message>
    <message>
        <source>Why?</source>
        <translation>왜?</translation>
    </message>
    <message>
        <source>This fits</source>
        <translation>맞습니다</translation>
    </message>
    <message>
        <source>This does not fit</source>
        <translation>맞지 않습니다</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>지우기</translation>
    </message>
    <message>
        <source>Forget what I said</source>
        <translation>내가 한 말 지우기</translation>
    </message>
</context>
<context>
    <name>Recover</name>
    <message>
        <source>The backup of {0} is in place: {1}.</source>
        <translation>{0}의 백업을 제자리에 두었습니다: {1}.</translation>
    </message>
    <message>
        <source>What was here before is kept in the folder “{0}”.</source>
        <translation>전에 있던 것은 “{0}” 폴더에 남아 있습니다.</translation>
    </message>
    <message>
        <source>This does not open it. Nothing was changed. Check capital letters and the keyboard language; the passphrase of an earlier day may be another one.</source>
        <translation>이것으로는 열리지 않습니다. 바뀐 것은 없습니다. 대문자와 한/영 상태를 확인하세요. 그날의 암호는 지금과 다를 수 있습니다.</translation>
    </message>
    <message>
        <source>Making a new encryption key</source>
        <translation>새 암호화 열쇠를 만드는 중</translation>
    </message>
    <message>
        <source>Every page of the journal is encrypted again. If this is interrupted, the journal stays as it was.</source>
        <translation>일기의 모든 쪽을 다시 암호화합니다. 도중에 끊기면 일기는 그대로 남습니다.</translation>
    </message>
    <message>
        <source>Progress</source>
        <translation>진행</translation>
    </message>
    <message>
        <source>The journal has the key that it had. When you unlock it, you are given a new recovery code.</source>
        <translation>일기의 열쇠는 그대로입니다. 일기를 열면 새 복구 코드를 드립니다.</translation>
    </message>
</context>
<context>
    <name>Rescue</name>
    <message>
        <source>Rescued copy: read and export it; it can&apos;t be changed.</source>
        <translation>건져 낸 사본입니다. 읽고 내보낼 수 있지만 바꿀 수는 없습니다.</translation>
    </message>
    <message>
        <source>Brought back: {0}.</source>
        <translation>되찾은 글: {0}.</translation>
    </message>
    <message>
        <source>Of {0} of them a part is missing.</source>
        <translation>그중 {0}편은 일부가 없습니다.</translation>
    </message>
    <message>
        <source>Lost: {0}.</source>
        <translation>잃은 글: {0}.</translation>
    </message>
    <message>
        <source>Damaged: {0}.</source>
        <translation>손상된 곳: {0}.</translation>
    </message>
    <message>
        <source>page {0} of {1}</source>
        <translation>{1}쪽 중 {0}쪽</translation>
    </message>
    <message>
        <source>{0} of {1} pages</source>
        <translation>{1}쪽 중 {0}개 쪽</translation>
    </message>
    <message>
        <source>pages {0} of {1}</source>
        <translation>{1}쪽 중 {0}쪽</translation>
    </message>
</context>
<context>
    <name>RescuePage</name>
    <message>
        <source>This journal is damaged</source>
        <translation>일기가 손상되었습니다</translation>
    </message>
    <message>
        <source>Message</source>
        <translation>알림</translation>
    </message>
    <message>
        <source>Looking for a good backup…</source>
        <translation>온전한 백업을 찾는 중…</translation>
    </message>
    <message>
        <source>Restore it</source>
        <translation>되살리기</translation>
    </message>
    <message>
        <source>Show all backups</source>
        <translation>백업 모두 보기</translation>
    </message>
    <message>
        <source>Restore a backup</source>
        <translation>백업 되살리기</translation>
    </message>
    <message>
        <source>Rescue what can be read</source>
        <translation>읽을 수 있는 것 건져 내기</translation>
    </message>
    <message>
        <source>Everything that is still readable is put into a new journal beside this one. It can be read and exported, not written in. The damaged journal stays as it is.</source>
        <translation>아직 읽을 수 있는 모든 것을 곁에 만드는 새 일기에 담습니다. 읽고 내보낼 수 있지만 쓸 수는 없습니다. 손상된 일기는 그대로 둡니다.</translation>
    </message>
    <message>
        <source>Rescue what can be read…</source>
        <translation>읽을 수 있는 것 건져 내기…</translation>
    </message>
    <message>
        <source>Open the copy rescued on {0}</source>
        <translation>{0}에 건져 낸 사본 열기</translation>
    </message>
    <message>
        <source>Passphrase or recovery code</source>
        <translation>암호 또는 복구 코드</translation>
    </message>
    <message>
        <source>Rescue</source>
        <translation>건져 내기</translation>
    </message>
    <message>
        <source>Try to unlock again</source>
        <translation>다시 열어 보기</translation>
    </message>
    <message>
        <source>What cannot be read: {0}. Nothing was changed.</source>
        <translation>읽을 수 없는 곳: {0}. 바뀐 것은 없습니다.</translation>
    </message>
    <message>
        <source>Its last saves are damaged. Nothing was changed.</source>
        <translation>마지막으로 저장한 것이 손상되었습니다. 바뀐 것은 없습니다.</translation>
    </message>
    <message>
        <source>No good backup was found in the folder of backups. There may be one on another disk: show all backups and look in another folder.</source>
        <translation>백업 폴더에서 온전한 백업을 찾지 못했습니다. 다른 디스크에 있을 수 있습니다. 백업을 모두 보고 다른 폴더에서 찾아보세요.</translation>
    </message>
    <message>
        <source>It was proved on {0}.</source>
        <translation>{0}에 확인했습니다.</translation>
    </message>
    <message>
        <source>The backup of {0} is good and holds {1}. {2}</source>
        <translation>{0}의 백업은 온전하고 {1}이 들어 있습니다. {2}</translation>
    </message>
    <message>
        <source>Reading page by page. This can take a minute.</source>
        <translation>한 쪽씩 읽는 중입니다. 1분쯤 걸릴 수 있습니다.</translation>
    </message>
    <message>
        <source>Open</source>
        <translation>열기</translation>
    </message>
</context>
<context>
    <name>RestorePage</name>
    <message>
        <source>Restore a backup</source>
        <translation>백업 되살리기</translation>
    </message>
    <message>
        <source>Choose the one to put in the journal&apos;s place. What is there now is moved aside, not removed, and nothing is changed before the backup has proved that it opens.</source>
        <translation>일기 자리에 둘 백업을 고르세요. 지금 있는 것은 지우지 않고 옆으로 옮깁니다. 백업이 열리는 것을 확인하기 전에는 아무것도 바뀌지 않습니다.</translation>
    </message>
    <message>
        <source>Looking for backups…</source>
        <translation>백업을 찾는 중…</translation>
    </message>
    <message>
        <source>Message</source>
        <translation>알림</translation>
    </message>
    <message>
        <source>Look in another folder…</source>
        <translation>다른 폴더에서 찾기…</translation>
    </message>
    <message>
        <source>Back</source>
        <translation>뒤로</translation>
    </message>
    <message>
        <source>Restore this backup?</source>
        <translation>이 백업을 되살릴까요?</translation>
    </message>
    <message>
        <source>Passphrase or recovery code of that backup</source>
        <translation>그 백업의 암호 또는 복구 코드</translation>
    </message>
    <message>
        <source>Restore it</source>
        <translation>되살리기</translation>
    </message>
    <message>
        <source>If you have changed the passphrase since, it is the one that you had on that day.</source>
        <translation>그 뒤에 암호를 바꾸었다면 그날 쓰던 암호입니다.</translation>
    </message>
    <message>
        <source>Choose another backup</source>
        <translation>다른 백업 고르기</translation>
    </message>
    <message>
        <source>No backup was found here. If you keep backups on a disk of their own, connect it and look there.</source>
        <translation>여기에서는 백업을 찾지 못했습니다. 백업을 다른 디스크에 둔다면 연결하고 거기에서 찾아보세요.</translation>
    </message>
    <message>
        <source>None of these backups is good. Nothing was changed. Look in another folder.</source>
        <translation>온전한 백업이 없습니다. 바뀐 것은 없습니다. 다른 폴더에서 찾아보세요.</translation>
    </message>
    <message>
        <source>The backup is proved to open and put in place. This can take a minute.</source>
        <translation>백업이 열리는지 확인하고 제자리에 둡니다. 1분쯤 걸릴 수 있습니다.</translation>
    </message>
    <message>
        <source>It was made on {0} and holds {1}. What you have written after that is not in it. The journal as it is now, damaged or not, is moved into a folder of its own and kept.</source>
        <translation>{0}에 만들었고 {1}이 들어 있습니다. 그 뒤에 쓴 글은 들어 있지 않습니다. 지금의 일기는 손상되었든 아니든 따로 만든 폴더로 옮겨 간직합니다.</translation>
    </message>
    <message>
        <source>Look for backups in</source>
        <translation>백업을 찾을 곳</translation>
    </message>
</context>
<context>
    <name>Session</name>
    <message>
        <source>The journal could not be made. Try again.</source>
        <translation>일기를 만들 수 없었습니다. 다시 해 보세요.</translation>
    </message>
    <message>
        <source>A backup is being made just now. Nothing was changed; try again in a minute.</source>
        <translation>지금 백업을 만들고 있습니다. 바뀐 것은 없습니다. 조금 뒤에 다시 해 보세요.</translation>
    </message>
    <message>
        <source>The disk refuses now, so nothing was changed.</source>
        <translation>지금은 디스크에 쓸 수 없어 아무것도 바꾸지 않았습니다.</translation>
    </message>
    <message>
        <source>This journal is open on another computer too. Nothing is lost: what is written on both is kept and joined. It is simpler to close it there.</source>
        <translation>이 일기가 다른 컴퓨터에서도 열려 있습니다. 잃는 것은 없습니다. 양쪽에서 쓴 글을 모두 두었다가 합칩니다. 그쪽을 닫는 편이 더 간단합니다.</translation>
    </message>
    <message>
        <source>Show the backups</source>
        <translation>백업 보기</translation>
    </message>
    <message>
        <source>What can be done…</source>
        <translation>할 수 있는 일…</translation>
    </message>
    <message>
        <source>Lock without them</source>
        <translation>그래도 잠그기</translation>
    </message>
    <message>
        <source>Locking…</source>
        <translation>잠그는 중…</translation>
    </message>
    <message>
        <source>Lock without the last words</source>
        <translation>마지막 글 없이 잠그기</translation>
    </message>
    <message>
        <source>The page is hidden. Your last words are not stored yet, because the disk refuses; the journal locks as soon as they are. Free some disk space.</source>
        <translation>화면을 가렸습니다. 디스크에 쓸 수 없어 마지막 글이 아직 저장되지 않았습니다. 저장되는 대로 일기가 잠깁니다. 디스크 공간을 조금 비워 주세요.</translation>
    </message>
    <message>
        <source>Locking… A backup is being ended.</source>
        <translation>잠그는 중… 백업을 마무리하고 있습니다.</translation>
    </message>
    <message>
        <source>Locked: nobody wrote for a minute.</source>
        <translation>1분 동안 글을 쓰지 않아 잠갔습니다.</translation>
    </message>
    <message>
        <source>Locked: nobody wrote for {0} minutes.</source>
        <translation>{0}분 동안 글을 쓰지 않아 잠갔습니다.</translation>
    </message>
    <message>
        <source>Locked: another program, most likely one that syncs, has put another copy of this journal in its place. What you wrote here is kept beside it, and both are joined when you unlock.</source>
        <translation>다른 프로그램(아마 동기화 프로그램)이 이 일기 자리에 다른 사본을 두어서 잠갔습니다. 여기에서 쓴 글은 곁에 남아 있고, 일기를 열 때 둘을 합칩니다.</translation>
    </message>
    <message>
        <source>Locked: the computer slept, or its clock was set.</source>
        <translation>컴퓨터가 잠들었거나 시계가 바뀌어 잠갔습니다.</translation>
    </message>
    <message>
        <source>Locked: the screen was locked.</source>
        <translation>화면이 잠겨서 일기도 잠갔습니다.</translation>
    </message>
    <message>
        <source>Quit without them</source>
        <translation>그래도 끝내기</translation>
    </message>
    <message>
        <source>Not saved yet</source>
        <translation>아직 저장 안 됨</translation>
    </message>
    <message>
        <source>Your last words could not be stored: the disk refuses.</source>
        <translation>마지막 글을 저장할 수 없었습니다. 디스크에 쓸 수 없습니다.</translation>
    </message>
    <message>
        <source>What was stored before is safe. Free some disk space and try again, or go on without the last words.</source>
        <translation>그 전에 저장된 것은 안전합니다. 디스크 공간을 비우고 다시 해 보거나, 마지막 글 없이 계속하세요.</translation>
    </message>
    <message>
        <source>Back to the page</source>
        <translation>글로 돌아가기</translation>
    </message>
</context>
<context>
    <name>SettingsPage</name>
    <message>
        <source>Settings</source>
        <translation>설정</translation>
    </message>
    <message>
        <source>Security</source>
        <translation>보안</translation>
    </message>
    <message>
        <source>Reading</source>
        <translation>읽기</translation>
    </message>
    <message>
        <source>Proof of silence</source>
        <translation>고요함의 증명</translation>
    </message>
    <message>
        <source>Appearance</source>
        <translation>모양</translation>
    </message>
    <message>
        <source>Languages and help lines</source>
        <translation>언어와 도움 전화</translation>
    </message>
    <message>
        <source>About Quiet Page</source>
        <translation>Quiet Page에 대하여</translation>
    </message>
    <message>
        <source>Done</source>
        <translation>완료</translation>
    </message>
    <message>
        <source>Not now</source>
        <translation>나중에</translation>
    </message>
    <message>
        <source>The old code has stopped working; without this one, you are given another at the next unlock.</source>
        <translation>이전 코드는 이제 쓸 수 없습니다. 이 코드를 확인하지 않으면 다음에 열 때 다른 코드를 드립니다.</translation>
    </message>
    <message>
        <source> minutes</source>
        <translation>분</translation>
    </message>
    <message>
        <source>Lock when nobody writes for</source>
        <translation>글을 쓰지 않으면 잠그기까지</translation>
    </message>
    <message>
        <source>Lock now</source>
        <translation>지금 잠그기</translation>
    </message>
    <message>
        <source>A rescued copy opens with what opened the damaged journal. It has no backups of its own.</source>
        <translation>건져 낸 사본은 손상된 일기를 열던 것으로 열립니다. 따로 백업은 없습니다.</translation>
    </message>
    <message>
        <source>The sample is thrown away when you lock it, so it has no passphrase and no backups.</source>
        <translation>예시는 잠그면 버려지므로 암호도 백업도 없습니다.</translation>
    </message>
    <message>
        <source>Ways to open this journal</source>
        <translation>이 일기를 여는 방법</translation>
    </message>
    <message>
        <source>Backups</source>
        <translation>백업</translation>
    </message>
    <message>
        <source>A rescued copy is not read by the model.</source>
        <translation>건져 낸 사본은 모델이 읽지 않습니다.</translation>
    </message>
    <message>
        <source>Read my entries, on this computer</source>
        <translation>이 컴퓨터에서 내 글 읽기</translation>
    </message>
    <message>
        <source>The model runs in a process of its own without a network. With reading off no feelings, stress or low-mood signs are estimated; help lines are still offered when an entry asks for them.</source>
        <translation>모델은 네트워크 없이 따로 떨어진 프로세스에서 돕니다. 읽기를 끄면 감정, 스트레스, 가라앉은 기분을 추정하지 않습니다. 글에 도움이 필요해 보이면 도움 전화는 그래도 보여 드립니다.</translation>
    </message>
    <message>
        <source>Read every entry again</source>
        <translation>모든 글 다시 읽기</translation>
    </message>
    <message>
        <source>Every entry is read again, newest first.</source>
        <translation>최근 글부터 모두 다시 읽습니다.</translation>
    </message>
    <message>
        <source>Reading is off.</source>
        <translation>읽기가 꺼져 있습니다.</translation>
    </message>
    <message>
        <source>No model is installed; the rules for help still work.</source>
        <translation>설치된 모델이 없습니다. 도움을 위한 규칙은 그대로 작동합니다.</translation>
    </message>
    <message>
        <source>Model: {0}, {1:.0f} MB. It reads {2}. Licence: {3}. Checksum {4}.</source>
        <translation>모델: {0}, {1:.0f} MB. 읽는 언어: {2}. 사용 허가: {3}. 체크섬 {4}.</translation>
    </message>
    <message>
        <source>The model cannot be loaded. {0} Your journal is not affected.</source>
        <translation>모델을 불러올 수 없습니다. {0} 일기에는 영향이 없습니다.</translation>
    </message>
    <message>
        <source>{0} entries wait to be read.</source>
        <translation>글 {0}편이 읽히기를 기다립니다.</translation>
    </message>
    <message>
        <source>As the system</source>
        <translation>시스템에 맞춤</translation>
    </message>
    <message>
        <source>Light</source>
        <translation>밝게</translation>
    </message>
    <message>
        <source>Dark</source>
        <translation>어둡게</translation>
    </message>
    <message>
        <source>High contrast</source>
        <translation>고대비</translation>
    </message>
    <message>
        <source>Theme</source>
        <translation>테마</translation>
    </message>
    <message>
        <source>The best book face that is installed</source>
        <translation>설치된 것 중 가장 좋은 책 글꼴</translation>
    </message>
    <message>
        <source>Font of the page</source>
        <translation>글꼴</translation>
    </message>
    <message>
        <source> characters</source>
        <translation>자</translation>
    </message>
    <message>
        <source>Size of the writing</source>
        <translation>글자 크기</translation>
    </message>
    <message>
        <source>Length of a line</source>
        <translation>한 줄의 길이</translation>
    </message>
    <message>
        <source>Language of the window</source>
        <translation>화면 언어</translation>
    </message>
    <message>
        <source>Country for help lines</source>
        <translation>도움 전화의 나라</translation>
    </message>
    <message>
        <source>Quiet Page is not a medical device and makes no diagnosis. Its estimates describe a text, not a person, and may be wrong: the model learned from public posts, which are not diaries. If you are worried about yourself, talk with somebody you trust or with a professional.</source>
        <translation>Quiet Page는 의료 기기가 아니며 진단하지 않습니다. 추정은 사람이 아니라 글을 말하며 틀릴 수 있습니다. 모델은 일기가 아닌 공개된 글로 배웠습니다. 자신이 걱정된다면 믿을 수 있는 사람이나 전문가와 이야기해 보세요.</translation>
    </message>
    <message>
        <source>Version {0}. Free software under the GPL, version 3 or later.</source>
        <translation>버전 {0}. GPL 3판 이상을 따르는 자유 소프트웨어입니다.</translation>
    </message>
    <message>
        <source>Check the journal</source>
        <translation>일기 점검</translation>
    </message>
    <message>
        <source>Checking every page of the journal…</source>
        <translation>일기의 모든 쪽을 점검하는 중…</translation>
    </message>
    <message>
        <source>All is well: {0} entries, every page as it was written.</source>
        <translation>모두 좋습니다. 글 {0}편, 모든 쪽이 쓰인 그대로입니다.</translation>
    </message>
    <message>
        <source>{0} problems were found. Nothing was changed. Make a copy of the folder first.</source>
        <translation>문제 {0}건을 찾았습니다. 바뀐 것은 없습니다. 먼저 폴더를 복사해 두세요.</translation>
    </message>
    <message>
        <source>The journal could not be checked. Nothing was changed.</source>
        <translation>일기를 점검할 수 없었습니다. 바뀐 것은 없습니다.</translation>
    </message>
</context>
<context>
    <name>SharePage</name>
    <message>
        <source>Saving…</source>
        <translation>저장하는 중…</translation>
    </message>
    <message>
        <source>Save as PDF…</source>
        <translation>PDF로 저장…</translation>
    </message>
    <message>
        <source>Save as HTML…</source>
        <translation>HTML로 저장…</translation>
    </message>
    <message>
        <source>Some letters have no font on this computer and stand as ? on the page. The HTML file keeps them.</source>
        <translation>이 컴퓨터에 글꼴이 없는 글자는 쪽에 ?로 나옵니다. HTML 파일에는 그대로 남습니다.</translation>
    </message>
    <message>
        <source>The pages are being drawn again…</source>
        <translation>쪽을 다시 그리는 중…</translation>
    </message>
    <message>
        <source>The file is not encrypted: anyone who has it can read it.</source>
        <translation>이 파일은 암호화되어 있지 않습니다. 가진 사람은 누구나 읽을 수 있습니다.</translation>
    </message>
    <message>
        <source>Save the summary, readable by anyone who has the file</source>
        <translation>요약 저장 (파일을 가진 사람은 누구나 읽을 수 있음)</translation>
    </message>
    <message>
        <source>Saved. The file is not encrypted: anyone who has it can read it.</source>
        <translation>저장했습니다. 이 파일은 암호화되어 있지 않습니다. 가진 사람은 누구나 읽을 수 있습니다.</translation>
    </message>
    <message>
        <source>The summary could not be made. Your journal is not touched.</source>
        <translation>요약을 만들 수 없었습니다. 일기는 그대로입니다.</translation>
    </message>
    <message>
        <source>The preview could not be made. Your journal is not touched.</source>
        <translation>미리 보기를 만들 수 없었습니다. 일기는 그대로입니다.</translation>
    </message>
</context>
<context>
    <name>SilenceSection</name>
    <message>
        <source>One moment…</source>
        <translation>잠시만요…</translation>
    </message>
    <message>
        <source>Not looked at: what the libraries below do by themselves, beyond the sockets counted here; input methods, the desktop and other programs. The record could be changed by any program of yours.</source>
        <translation>살펴보지 않은 것: 아래층 라이브러리가 여기서 센 소켓 말고 스스로 하는 일, 입력기와 데스크톱, 다른 프로그램. 기록은 이 컴퓨터의 내 프로그램이라면 무엇이든 바꿀 수 있습니다.</translation>
    </message>
    <message>
        <source>Look now</source>
        <translation>지금 살펴보기</translation>
    </message>
    <message>
        <source>The record is full; later attempts are refused, but not written down.</source>
        <translation>기록이 가득 찼습니다. 그 뒤의 시도도 거부되지만 적히지는 않습니다.</translation>
    </message>
    <message>
        <source>Quiet Page now: {0}</source>
        <translation>지금 Quiet Page: {0}</translation>
    </message>
    <message>
        <source>The model&apos;s process now: {0}</source>
        <translation>지금 모델의 프로세스: {0}</translation>
    </message>
    <message>
        <source>It could not be looked at just now. The network stays refused; try again.</source>
        <translation>지금은 살펴볼 수 없었습니다. 네트워크는 계속 거부됩니다. 다시 해 보세요.</translation>
    </message>
    <message>
        <source>Something in Quiet Page tried to reach a network. It was refused, and nothing left this computer by it. Please report it: it should not be.</source>
        <translation>Quiet Page 안의 무언가가 네트워크에 닿으려 했습니다. 거부되었고, 그것으로 이 컴퓨터를 떠난 것은 없습니다. 있어서는 안 되는 일이니 알려 주세요.</translation>
    </message>
    <message>
        <source>A network socket is open in Quiet Page. Please report it: it should not be.</source>
        <translation>Quiet Page에 네트워크 소켓이 열려 있습니다. 있어서는 안 되는 일이니 알려 주세요.</translation>
    </message>
    <message>
        <source>Attempts to reach a network are refused, but cannot be counted here: the record cannot be written.</source>
        <translation>네트워크에 닿으려는 시도는 거부되지만, 기록을 쓸 수 없어 여기서는 셀 수 없습니다.</translation>
    </message>
    <message>
        <source>Since {0} nothing reached a network but what you asked for.</source>
        <translation>{0}부터 부탁하신 것 말고는 네트워크에 닿은 것이 없습니다.</translation>
    </message>
    <message>
        <source>Since {0} nothing in Quiet Page has tried to reach a network.</source>
        <translation>{0}부터 Quiet Page의 어떤 것도 네트워크에 닿으려 하지 않았습니다.</translation>
    </message>
    <message>
        <source>the window</source>
        <translation>창</translation>
    </message>
    <message>
        <source>a command</source>
        <translation>명령</translation>
    </message>
    <message>
        <source>the model&apos;s process</source>
        <translation>모델의 프로세스</translation>
    </message>
    <message>
        <source>a network socket was to be opened</source>
        <translation>네트워크 소켓을 열려고 함</translation>
    </message>
    <message>
        <source>a connection was to be made</source>
        <translation>연결하려고 함</translation>
    </message>
    <message>
        <source>a port was to be opened</source>
        <translation>포트를 열려고 함</translation>
    </message>
    <message>
        <source>a name was to be looked up</source>
        <translation>이름을 찾아보려고 함</translation>
    </message>
    <message>
        <source>something was to be sent</source>
        <translation>무언가를 보내려고 함</translation>
    </message>
    <message>
        <source>you asked for {0}</source>
        <translation>{0}: 부탁하신 것</translation>
    </message>
    <message>
        <source>refused</source>
        <translation>거부됨</translation>
    </message>
    <message>
        <source>{0}, {1}: {2} ({3})</source>
        <translation>{0}, {1}: {2} ({3})</translation>
    </message>
    <message>
        <source>open sockets cannot be seen on this system</source>
        <translation>이 시스템에서는 열린 소켓을 볼 수 없음</translation>
    </message>
    <message>
        <source>{0} network sockets open</source>
        <translation>열린 네트워크 소켓 {0}개</translation>
    </message>
    <message>
        <source>no network socket open</source>
        <translation>열린 네트워크 소켓 없음</translation>
    </message>
    <message>
        <source>it can open none any more</source>
        <translation>이제 하나도 열 수 없음</translation>
    </message>
    <message>
        <source>no network interface there</source>
        <translation>네트워크 인터페이스 없음</translation>
    </message>
    <message>
        <source>it shares this computer&apos;s network, which the system lets it not leave</source>
        <translation>이 컴퓨터의 네트워크를 함께 씀(시스템이 떠나게 해 주지 않음)</translation>
    </message>
    <message>
        <source>loaded by a package and refused any use: {0}</source>
        <translation>패키지가 불러왔으나 쓰지 못하게 거부됨: {0}</translation>
    </message>
    <message>
        <source>no network module loaded</source>
        <translation>불러온 네트워크 모듈 없음</translation>
    </message>
    <message>
        <source>there is none, reading is off or no model is installed.</source>
        <translation>없음. 읽기가 꺼져 있거나 설치된 모델이 없습니다.</translation>
    </message>
    <message>
        <source>it could not be started.</source>
        <translation>시작할 수 없었습니다.</translation>
    </message>
    <message>
        <source>it is at rest and starts when something is to be read.</source>
        <translation>쉬고 있으며, 읽을 것이 있을 때 시작합니다.</translation>
    </message>
</context>
<context>
    <name>Unlock</name>
    <message>
        <source>This computer&apos;s keyring does not open the journal. Nothing was changed. Use the passphrase, then let the keyring remember the journal again in the settings.</source>
        <translation>이 컴퓨터의 키링으로는 일기가 열리지 않습니다. 바뀐 것은 없습니다. 암호로 열고 설정에서 키링에 다시 기억시키세요.</translation>
    </message>
    <message>
        <source>This key file does not open the journal. Nothing was changed. A key file stops working when another is made; use that one, the passphrase or the recovery code.</source>
        <translation>이 열쇠 파일로는 일기가 열리지 않습니다. 바뀐 것은 없습니다. 새 열쇠 파일을 만들면 이전 것은 쓸 수 없습니다. 새 파일이나 암호, 복구 코드를 쓰세요.</translation>
    </message>
    <message>
        <source>This passphrase does not open the journal. Nothing was changed. Check capital letters and the keyboard language, or use the recovery code.</source>
        <translation>이 암호로는 일기가 열리지 않습니다. 바뀐 것은 없습니다. 대문자와 한/영 상태를 확인하거나 복구 코드를 쓰세요.</translation>
    </message>
    <message>
        <source>This journal seems to be open on another computer. Nothing was changed. Close it there first. If you open it here all the same and write on both, both copies are kept and joined.</source>
        <translation>이 일기가 다른 컴퓨터에서 열려 있는 것 같습니다. 바뀐 것은 없습니다. 먼저 그쪽을 닫으세요. 그래도 여기에서 열어 양쪽에서 쓰면 두 사본을 모두 두었다가 합칩니다.</translation>
    </message>
    <message>
        <source>This journal was made by a newer version of Quiet Page. Nothing was changed. Install the newer version to open it.</source>
        <translation>이 일기는 더 새로운 Quiet Page로 만들어졌습니다. 바뀐 것은 없습니다. 새 버전을 설치하면 열 수 있습니다.</translation>
    </message>
    <message>
        <source>The journal is no longer in its place. Check the folder, or restore it from a backup.</source>
        <translation>일기가 제자리에 없습니다. 폴더를 확인하거나 백업에서 되살리세요.</translation>
    </message>
    <message>
        <source>The journal could not be opened. Nothing was changed. Try again.</source>
        <translation>일기를 열 수 없었습니다. 바뀐 것은 없습니다. 다시 해 보세요.</translation>
    </message>
    <message>
        <source>This file cannot be read. Nothing was changed. Choose the key file, or use the passphrase.</source>
        <translation>이 파일을 읽을 수 없습니다. 바뀐 것은 없습니다. 열쇠 파일을 고르거나 암호를 쓰세요.</translation>
    </message>
</context>
<context>
    <name>UnlockPage</name>
    <message>
        <source>Quiet Page</source>
        <translation>Quiet Page</translation>
    </message>
    <message>
        <source>Unlock</source>
        <translation>열기</translation>
    </message>
    <message>
        <source>Message</source>
        <translation>알림</translation>
    </message>
    <message>
        <source>Open all the same</source>
        <translation>그래도 열기</translation>
    </message>
    <message>
        <source>Open with a key file</source>
        <translation>열쇠 파일로 열기</translation>
    </message>
    <message>
        <source>Open with this computer&apos;s keyring</source>
        <translation>이 컴퓨터의 키링으로 열기</translation>
    </message>
    <message>
        <source>Restore a backup</source>
        <translation>백업 되살리기</translation>
    </message>
    <message>
        <source>Help lines</source>
        <translation>도움 전화</translation>
    </message>
    <message>
        <source>You can try again in {0} min {1} s.</source>
        <translation>{0}분 {1}초 뒤에 다시 해 볼 수 있습니다.</translation>
    </message>
    <message>
        <source>You can try again in 1 second.</source>
        <translation>1초 뒤에 다시 해 볼 수 있습니다.</translation>
    </message>
    <message>
        <source>You can try again in {0} seconds.</source>
        <translation>{0}초 뒤에 다시 해 볼 수 있습니다.</translation>
    </message>
    <message>
        <source>Recovery code</source>
        <translation>복구 코드</translation>
    </message>
    <message>
        <source>Passphrase</source>
        <translation>암호</translation>
    </message>
    <message>
        <source>Use the passphrase</source>
        <translation>암호로 열기</translation>
    </message>
    <message>
        <source>Use the recovery code</source>
        <translation>복구 코드로 열기</translation>
    </message>
</context>
<context>
    <name>WaysSection</name>
    <message>
        <source>Passphrase</source>
        <translation>암호</translation>
    </message>
    <message>
        <source>What you type every day.</source>
        <translation>날마다 입력하는 것입니다.</translation>
    </message>
    <message>
        <source>Recovery code</source>
        <translation>복구 코드</translation>
    </message>
    <message>
        <source>On paper, for the day you forget the passphrase.</source>
        <translation>암호를 잊은 날을 위해 종이에 적어 둔 것입니다.</translation>
    </message>
    <message>
        <source>Key file</source>
        <translation>열쇠 파일</translation>
    </message>
    <message>
        <source>This computer&apos;s keyring</source>
        <translation>이 컴퓨터의 키링</translation>
    </message>
    <message>
        <source>Encryption key</source>
        <translation>암호화 열쇠</translation>
    </message>
    <message>
        <source>Everything is encrypted with it; the ways above only unlock it. It can be made anew.</source>
        <translation>모든 것을 암호화하는 열쇠이고, 위의 방법들은 이 열쇠를 풀 뿐입니다. 새로 만들 수 있습니다.</translation>
    </message>
    <message>
        <source>Change…</source>
        <translation>바꾸기…</translation>
    </message>
    <message>
        <source>Change the passphrase</source>
        <translation>암호 바꾸기</translation>
    </message>
    <message>
        <source>Make a new one…</source>
        <translation>새로 만들기…</translation>
    </message>
    <message>
        <source>Make a new recovery code</source>
        <translation>새 복구 코드 만들기</translation>
    </message>
    <message>
        <source>Remove…</source>
        <translation>없애기…</translation>
    </message>
    <message>
        <source>Remove the key file</source>
        <translation>열쇠 파일 없애기</translation>
    </message>
    <message>
        <source>Remove the journal from this computer&apos;s keyring</source>
        <translation>이 컴퓨터의 키링에서 일기 빼기</translation>
    </message>
    <message>
        <source>Remember…</source>
        <translation>기억시키기…</translation>
    </message>
    <message>
        <source>Let this computer&apos;s keyring open the journal</source>
        <translation>이 컴퓨터의 키링으로 일기를 열게 하기</translation>
    </message>
    <message>
        <source>Make a new encryption key</source>
        <translation>새 암호화 열쇠 만들기</translation>
    </message>
    <message>
        <source>It opens the journal without a passphrase for anybody who is logged in as you.</source>
        <translation>내 계정으로 로그인한 사람이면 누구나 암호 없이 일기를 열 수 있습니다.</translation>
    </message>
    <message>
        <source>Not used. If you let it remember the journal, anybody who is logged in as you can open it without the passphrase.</source>
        <translation>쓰지 않습니다. 기억시키면 내 계정으로 로그인한 사람이면 누구나 암호 없이 일기를 열 수 있습니다.</translation>
    </message>
    <message>
        <source>There is no keyring on this computer that keeps secrets encrypted.</source>
        <translation>이 컴퓨터에는 비밀을 암호화해 두는 키링이 없습니다.</translation>
    </message>
    <message>
        <source>Another computer&apos;s keyring opens it, too.</source>
        <translation>다른 컴퓨터의 키링으로도 열립니다.</translation>
    </message>
    <message>
        <source>The ways to open the journal cannot be listed now. They work as before.</source>
        <translation>지금은 일기를 여는 방법을 보여 드릴 수 없습니다. 전처럼 쓸 수 있습니다.</translation>
    </message>
    <message>
        <source>It opens the journal without the passphrase. Keep it on a stick, away from this computer.</source>
        <translation>암호 없이 일기를 엽니다. USB에 담아 이 컴퓨터와 떨어진 곳에 두세요.</translation>
    </message>
    <message>
        <source>None. A file that opens the journal without the passphrase, for a stick in a safe place.</source>
        <translation>없습니다. 암호 없이 일기를 여는 파일로, 안전한 곳에 두는 USB에 담습니다.</translation>
    </message>
    <message>
        <source>Replace…</source>
        <translation>새것으로 바꾸기…</translation>
    </message>
    <message>
        <source>Make one…</source>
        <translation>만들기…</translation>
    </message>
    <message>
        <source>Replace the key file</source>
        <translation>열쇠 파일을 새것으로 바꾸기</translation>
    </message>
    <message>
        <source>Make a key file</source>
        <translation>열쇠 파일 만들기</translation>
    </message>
    <message>
        <source>This passphrase is not right. Nothing was changed.</source>
        <translation>암호가 맞지 않습니다. 바뀐 것은 없습니다.</translation>
    </message>
    <message>
        <source>One moment…</source>
        <translation>잠시만요…</translation>
    </message>
    <message>
        <source>Nothing was changed. Try again.</source>
        <translation>바뀐 것은 없습니다. 다시 해 보세요.</translation>
    </message>
    <message>
        <source>Change it</source>
        <translation>바꾸기</translation>
    </message>
    <message>
        <source>The new passphrase is empty, or the two are not the same. Nothing was changed.</source>
        <translation>새 암호가 비어 있거나 두 암호가 다릅니다. 바뀐 것은 없습니다.</translation>
    </message>
    <message>
        <source>The passphrase is changed. The recovery code still works; older backups keep the old one.</source>
        <translation>암호를 바꾸었습니다. 복구 코드는 그대로 쓸 수 있습니다. 이전 백업은 이전 암호로 열립니다.</translation>
    </message>
    <message>
        <source>The old code stops working at once. You are shown the new one and type two groups of it back.</source>
        <translation>이전 코드는 바로 쓸 수 없게 됩니다. 새 코드를 보여 드리고, 두 묶음을 다시 입력받습니다.</translation>
    </message>
    <message>
        <source>Make a new code</source>
        <translation>새 코드 만들기</translation>
    </message>
    <message>
        <source>The new recovery code works. Destroy the old one.</source>
        <translation>새 복구 코드를 쓸 수 있습니다. 이전 코드는 없애세요.</translation>
    </message>
    <message>
        <source>The old code has stopped working. You are given a new one when you unlock the next time.</source>
        <translation>이전 코드는 이제 쓸 수 없습니다. 다음에 일기를 열 때 새 코드를 드립니다.</translation>
    </message>
    <message>
        <source>Whoever has the file can open the journal. Choose a place away from this computer, such as a stick. An earlier key file stops working.</source>
        <translation>이 파일을 가진 사람은 일기를 열 수 있습니다. USB처럼 이 컴퓨터와 떨어진 곳을 고르세요. 이전 열쇠 파일은 쓸 수 없게 됩니다.</translation>
    </message>
    <message>
        <source>Choose where to save it…</source>
        <translation>저장할 곳 고르기…</translation>
    </message>
    <message>
        <source>Save the key file</source>
        <translation>열쇠 파일 저장</translation>
    </message>
    <message>
        <source>Saved. It opens the journal from now on; try it once on the unlock page.</source>
        <translation>저장했습니다. 이제부터 이 파일로 일기가 열립니다. 여는 화면에서 한 번 시험해 보세요.</translation>
    </message>
    <message>
        <source>Save it elsewhere…</source>
        <translation>다른 곳에 저장…</translation>
    </message>
    <message>
        <source>The key file stops opening the journal. The passphrase and the recovery code still do.</source>
        <translation>열쇠 파일로는 더 이상 일기가 열리지 않게 됩니다. 암호와 복구 코드는 그대로 쓸 수 있습니다.</translation>
    </message>
    <message>
        <source>Remove it</source>
        <translation>없애기</translation>
    </message>
    <message>
        <source>The key file does not open the journal any more. Older backups still know it.</source>
        <translation>열쇠 파일로는 이제 일기가 열리지 않습니다. 이전 백업은 그 파일로 열립니다.</translation>
    </message>
    <message>
        <source>The journal can then be opened without the passphrase by anybody who is logged in as you on this computer, and by programs that run for you. It is meant for a computer that only you use.</source>
        <translation>그러면 이 컴퓨터에 내 계정으로 로그인한 사람과 내 계정으로 도는 프로그램은 암호 없이 일기를 열 수 있습니다. 혼자 쓰는 컴퓨터를 위한 것입니다.</translation>
    </message>
    <message>
        <source>Remember it</source>
        <translation>기억시키기</translation>
    </message>
    <message>
        <source>The keyring of this computer opens the journal from now on.</source>
        <translation>이제부터 이 컴퓨터의 키링으로 일기가 열립니다.</translation>
    </message>
    <message>
        <source>The keyring forgets the journal. The passphrase and the recovery code still open it.</source>
        <translation>키링이 일기를 잊습니다. 암호와 복구 코드는 그대로 쓸 수 있습니다.</translation>
    </message>
    <message>
        <source>The keyring of this computer does not open the journal any more.</source>
        <translation>이제 이 컴퓨터의 키링으로는 일기가 열리지 않습니다.</translation>
    </message>
    <message>
        <source>For the case that somebody may have had a copy of this journal together with its passphrase. Change the passphrase first.

The journal is locked, encrypted anew (about {0} seconds), and you are given a new recovery code. A key file and the keyring have to be set up again. Backups made before keep the old key.</source>
        <translation>누군가 이 일기의 사본과 암호를 함께 가졌을지도 모를 때 씁니다. 먼저 암호를 바꾸세요.

일기를 잠그고 새로 암호화한 뒤(약 {0}초) 새 복구 코드를 드립니다. 열쇠 파일과 키링은 다시 설정해야 합니다. 전에 만든 백업은 이전 열쇠 그대로입니다.</translation>
    </message>
    <message>
        <source>Lock and make a new key</source>
        <translation>잠그고 새 열쇠 만들기</translation>
    </message>
    <message>
        <source>This is the recovery code, which is made anew, too. Type the passphrase.</source>
        <translation>이것은 복구 코드이고, 복구 코드도 새로 만듭니다. 암호를 입력하세요.</translation>
    </message>
</context>
<context>
    <name>Workspace</name>
    <message>
        <source>Lock the journal (Ctrl+L)</source>
        <translation>일기 잠그기 (Ctrl+L)</translation>
    </message>
</context>
<context>
    <name>_Ask</name>
    <message>
        <source>Cancel</source>
        <translation>취소</translation>
    </message>
    <message>
        <source>Passphrase or recovery code as it is now</source>
        <translation>지금의 암호 또는 복구 코드</translation>
    </message>
    <message>
        <source>Passphrase</source>
        <translation>암호</translation>
    </message>
    <message>
        <source>New passphrase</source>
        <translation>새 암호</translation>
    </message>
    <message>
        <source>The new one again</source>
        <translation>새 암호 한 번 더</translation>
    </message>
</context>
<context>
    <name>_SecretForm</name>
    <message>
        <source>Use a key file</source>
        <translation>열쇠 파일 쓰기</translation>
    </message>
    <message>
        <source>Message</source>
        <translation>알림</translation>
    </message>
</context>
<context>
    <name>_Steps</name>
    <message>
        <source>Help lines</source>
        <translation>도움 전화</translation>
    </message>
</context>
<context>
    <name>_Way</name>
    <message>
        <source>Message</source>
        <translation>알림</translation>
    </message>
</context>
</TS>
